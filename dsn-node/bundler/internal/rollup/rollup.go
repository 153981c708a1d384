// Package rollup speaks to the nodes of the rollup for a bundler: to the leader, alone or behind a gateway, and to an observer
// that is the bundler's own.
//
// It guarantees that an error says who is at fault: a *Refusal is the node's answer and is final for what was asked, ErrAway
// is none, after which the node may or may not have done what was asked. What names a sender, or a transaction by its own
// hash, is asked of an Observer alone: a Leader has no method for it.
package rollup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"blindseq/kit/certs"
	"blindseq/kit/config"
	"blindseq/kit/roles"
	"blindseq/kit/telemetry"

	"github.com/ethereum/go-ethereum/common/hexutil"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// ErrAway says that a node did not answer, or that it cannot now.
var ErrAway = errors.New("the rollup does not answer")

// ErrObserver is an ErrAway: the node that did not answer is the observer, so nothing of a transaction has left the bundler.
var ErrObserver error = observerAway{}

type observerAway struct{}

func (observerAway) Error() string        { return "the observer does not answer" }
func (observerAway) Is(target error) bool { return target == ErrAway }

// Codes with which a node says that it cannot now (EIP-1474).
const (
	codeUnavailable   = -32002
	codeLimitExceeded = -32005
)

// Refusal is an error a node answered with.
type Refusal struct {
	Code    int
	Message string
	Data    any
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("the rollup refused: %s (%d)", r.Message, r.Code)
}

// client is a connection to a node, which may be away.
type client struct {
	url  string
	http *http.Client
	rpc  *gethrpc.Client
	away error // what it is when the node does not answer
}

// dial makes a client; nothing is sent yet. With certificates a server on another machine is asked over TLS alone, and has to be
// an observer of this system.
func dial(ctx context.Context, address string, away error, certificates *certs.Source) (*client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true // the answerer's processor is worth more than bytes between the two
	transport.MaxIdleConnsPerHost, transport.IdleConnTimeout = 64, time.Minute
	if certificates != nil {
		if !onLoopback(address) {
			address = strings.Replace(address, "http://", "https://", 1)
		}
		transport.DialTLSContext = certificates.DialTLS(new(net.Dialer).DialContext, roles.Observer)
	}
	h := &http.Client{Transport: telemetry.Passing(transport)}
	rpc, err := gethrpc.DialOptions(ctx, address, gethrpc.WithHTTPClient(h))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return &client{address, h, rpc, away}, nil
}

func onLoopback(address string) bool {
	u, err := url.Parse(address)
	return err == nil && config.IsLoopback(net.JoinHostPort(u.Hostname(), "0"))
}

// Close gives up the connections.
func (c *client) Close() error {
	c.rpc.Close()
	c.http.CloseIdleConnections()
	return nil
}

// Forward sends a request's body as it is. The caller closes the answer's.
func (c *client) Forward(ctx context.Context, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("forward request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("forward request: %w: %w", c.away, err)
	}
	return res, nil
}

// ChainID asks for the rollup's chain.
func (c *client) ChainID(ctx context.Context) (uint64, error) {
	var id hexutil.Uint64
	err := c.call(ctx, &id, "eth_chainId")
	return uint64(id), err
}

func (c *client) call(ctx context.Context, result any, method string, args ...any) error {
	return c.classify(method, c.rpc.CallContext(ctx, result, method, args...))
}

func (c *client) classify(method string, err error) error {
	var answered gethrpc.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &answered):
		return fmt.Errorf("%s: %w: %w", method, c.away, err)
	case answered.ErrorCode() == codeUnavailable || answered.ErrorCode() == codeLimitExceeded:
		return fmt.Errorf("%s: %w now: %w", method, c.away, err)
	}
	r := &Refusal{Code: answered.ErrorCode(), Message: err.Error()}
	if data := gethrpc.DataError(nil); errors.As(err, &data) {
		r.Data = data.ErrorData()
	}
	return fmt.Errorf("%s: %w", method, r)
}

// batch makes calls; the first `needed` must succeed.
func (c *client) batch(ctx context.Context, calls []gethrpc.BatchElem, needed int) error {
	if err := c.rpc.BatchCallContext(ctx, calls); err != nil {
		return c.classify("batch", err)
	}
	for _, call := range calls[:needed] {
		if err := c.classify(call.Method, call.Error); err != nil {
			return err
		}
	}
	return nil
}
