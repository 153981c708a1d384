package rpcproxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"blindseq/kit/certs"
	"blindseq/kit/roles"
)

// route is the way of joined calls to a producer.
type route struct {
	to   *url.URL
	over *short
}

// short asks producers for short answers. It writes a request and reads the answer on the connection itself, in the caller's goroutine,
// which takes a fraction of the processor time of an http.Transport. What may be long or has to be retried goes over a transport.
type short struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu   sync.Mutex
	idle map[string][]*kept // by address, the last used at the end
}

// kept is a connection.
type kept struct {
	net.Conn
	in   *bufio.Reader
	used time.Time
}

// newShort makes connections as transport does: with certificates they are of TLS, and the server has one of the roles.
func newShort(certificates *certs.Source, servers ...roles.Role) *short {
	dialer := &net.Dialer{Timeout: dialTime, KeepAlive: keepAlive}
	s := &short{dial: dialer.DialContext, idle: map[string][]*kept{}}
	if certificates != nil {
		s.dial = certificates.DialTLS(dialer.DialContext, servers...)
	}
	return s
}

// ask sends a request for a client until the deadline. The error is errAlone when there is no short answer.
func (r route) ask(body []byte, client string, deadline time.Time) ([]byte, http.Header, error) {
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	c, err := r.over.take(ctx, r.to.Host)
	if err != nil {
		return nil, nil, alone(err)
	}
	answer, header, err := c.ask(requestFor(ctx, r.to, &payload{data: body}, client), deadline)
	if err != nil {
		_ = c.Close() // it may be in the middle of an answer
		return nil, nil, alone(err)
	}
	r.over.give(r.to.Host, c)
	return answer, header, nil
}

// alone is errAlone for everything but a deadline: also for a kept connection that the producer has closed.
func alone(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return errAlone
}

func (c *kept) ask(req *http.Request, deadline time.Time) ([]byte, http.Header, error) {
	if err := c.SetDeadline(deadline); err != nil {
		return nil, nil, err
	}
	if err := req.Write(c); err != nil {
		return nil, nil, err
	}
	res, err := http.ReadResponse(c.in, req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxJoinedAnswer+1))
	if err == nil && (res.StatusCode != http.StatusOK || len(answer) > maxJoinedAnswer || res.Close) {
		err = errAlone
	}
	return answer, res.Header, err
}

// take returns a connection that is idle, or a new one.
func (s *short) take(ctx context.Context, address string) (*kept, error) {
	if c := s.last(address); c != nil {
		return c, nil
	}
	conn, err := s.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &kept{Conn: conn, in: bufio.NewReaderSize(conn, 32<<10)}, nil
}

// last is the connection that was used last, nil without one. Those that have been idle for long are closed.
func (s *short) last(address string) *kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.idle[address]
	for len(all) > 0 && time.Since(all[0].used) > idleTime {
		_ = all[0].Close() // nobody waits for it
		all = all[1:]
	}
	if len(all) == 0 {
		delete(s.idle, address)
		return nil
	}
	s.idle[address] = all[:len(all)-1]
	return all[len(all)-1]
}

func (s *short) give(address string, c *kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle[address]) >= maxIdle {
		_ = c.Close() // nobody waits for it
		return
	}
	c.used = time.Now()
	s.idle[address] = append(s.idle[address], c)
}

// close ends the idle connections.
func (s *short) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, all := range s.idle {
		for _, c := range all {
			_ = c.Close() // nobody waits for it
		}
	}
	clear(s.idle)
}
