package httpserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"blindseq/kit/budget"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

type record struct {
	mu       sync.Mutex
	inFlight int
	ended    []string
}

func (r *record) Begin(string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inFlight++
}

func (r *record) End(listener, route string, status int, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inFlight--
	r.ended = append(r.ended, fmt.Sprintf("%s %s %d", listener, route, status))
}

// start serves a handler; stop ends it and waits.
func start(t *testing.T, h http.Handler, change ...func(*Config)) (url string, rec *record, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rec = &record{}
	cfg := Config{Name: "test", Listener: l, Handler: h, MaxConnections: 10, Recorder: rec, Log: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&cfg)
	}
	s := New(t.Context(), cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(cancel)
	return "http://" + l.Addr().String(), rec, func() error { cancel(); return <-done }
}

func TestStopAnswersWhatRunsAndEndsStreams(t *testing.T) {
	defer goleak.VerifyNone(t)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	started, release := make(chan struct{}), make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-release
		fmt.Fprintf(w, "made, %v", r.Context().Err())
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := UntilStop(r.Context())
		defer cancel()
		fmt.Fprintln(w, "begun")
		w.(http.Flusher).Flush()
		<-ctx.Done()
		fmt.Fprintln(w, context.Cause(ctx))
		close(release) // the stream ended while the other call still runs
	})
	url, rec, stop := start(t, mux)

	stream, err := client.Get(url + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	lines := bufio.NewReader(stream.Body)
	if line, _ := lines.ReadString('\n'); line != "begun\n" {
		t.Fatalf("got %q", line)
	}
	answer := make(chan string, 1)
	go func() {
		res, err := client.Get(url + "/slow")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answer <- string(b)
	}()
	<-started
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := <-answer; got != "made, <nil>" {
		t.Errorf("the running call got %q", got)
	}
	if line, _ := lines.ReadString('\n'); line != ErrStopping.Error()+"\n" {
		t.Errorf("the stream ended with %q", line)
	}
	if rec.inFlight != 0 || len(rec.ended) != 2 {
		t.Errorf("recorded %+v", rec)
	}
}

func TestAPanicIsAnInternalErrorAndTheServerGoesOn(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/early", func(http.ResponseWriter, *http.Request) { panic("secret") })
	mux.HandleFunc("/late", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "half")
		w.(http.Flusher).Flush()
		panic("secret")
	})
	url, rec, stop := start(t, mux)
	res, err := http.Get(url + "/early")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 500 || strings.Contains(string(body), "secret") || !strings.Contains(string(body), "internal error") {
		t.Errorf("got %d %s", res.StatusCode, body)
	}
	late, err := http.Get(url + "/late")
	if err != nil {
		t.Fatal(err)
	}
	defer late.Body.Close()
	if _, err := io.ReadAll(late.Body); err == nil {
		t.Error("half an answer was taken for a whole one")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if rec.inFlight != 0 || len(rec.ended) != 2 || rec.ended[0] != "test /early 500" {
		t.Errorf("recorded %+v", rec)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	read := func(r *http.Request, limit int64) (string, error) {
		var buf bytes.Buffer
		err := Body(httptest.NewRecorder(), r, limit, &buf)
		return buf.String(), err
	}
	request := func(body string) *http.Request {
		return httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	}
	chunked := func(body string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(strings.NewReader(body)))
		r.ContentLength = -1
		return r
	}
	for _, make := range []func(string) *http.Request{request, chunked} {
		if got, err := read(make("12345678"), 8); err != nil || got != "12345678" {
			t.Errorf("got %q, %v", got, err)
		}
		if _, err := read(make("123456789"), 8); !errors.Is(err, ErrBodyTooLarge) || BodyStatus(err) != 413 {
			t.Errorf("got %v", err)
		}
	}
	if got, err := read(request(""), 8); err != nil || got != "" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestABodyThatNeverArrivesIsGivenUp(t *testing.T) {
	answered := make(chan error, 1)
	url, _, stop := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var buf bytes.Buffer
		// The deadline set by Body is moved to the past, as if its time had passed.
		expired := time.AfterFunc(20*time.Millisecond, func() {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(-time.Second))
		})
		defer expired.Stop()
		answered <- Body(w, r, 100, &buf)
	}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	if err := <-answered; !errors.Is(err, ErrBodySlow) || BodyStatus(err) != 408 {
		t.Errorf("got %v", err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// A client that is refused by its budget gets its answer whether or not it sends the body that it announces; nothing is kept for it. Who
// has sent it, or has none, keeps its connection.
func TestARefusedClientIsAnsweredAtOnce(t *testing.T) {
	b, err := budget.New(budget.Flags{
		Connections: 1, Requests: 1, Sockets: 1, Units: 1, Burst: 1, ReadingBytes: 1 << 20, TrustedProxies: []string{"127.0.0.0/8"},
	}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	busy, release := make(chan struct{}), make(chan struct{})
	url, _, stop := start(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(busy); <-release }), func(c *Config) {
		c.Budget, c.Refuse = b, func(w http.ResponseWriter, _ error) { w.WriteHeader(http.StatusTooManyRequests) }
	})
	send := func(length, sent int) (net.Conn, *bufio.Reader) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.7\r\nContent-Length: %d\r\n\r\n%s", length, strings.Repeat(" ", sent))
		return conn, bufio.NewReader(conn)
	}
	send(0, 0)
	<-busy
	for _, c := range []struct {
		length, sent int
		kept         bool
	}{{0, 0, true}, {1000, 1000, true}, {1000, 10, false}, {1 << 20, 10, false}} {
		conn, answer := send(c.length, c.sent)
		for range 2 {
			line, err := answer.ReadString('\n')
			if err != nil || !strings.Contains(line, "429") {
				t.Errorf("%d of %d bytes: %q, %v", c.sent, c.length, line, err)
			}
			for line != "\r\n" && err == nil {
				line, err = answer.ReadString('\n')
			}
			if !c.kept {
				if _, err := answer.ReadByte(); !errors.Is(err, io.EOF) {
					t.Errorf("%d of %d bytes: the connection stays open: %v", c.sent, c.length, err)
				}
				break
			}
			fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n")
		}
	}
	close(release)
	if err := stop(); err != nil {
		t.Error(err)
	}
}
