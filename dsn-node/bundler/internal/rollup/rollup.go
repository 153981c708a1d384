// Package rollup speaks to the rollup's JSON-RPC for a bundler.
//
// It guarantees that an error says who is at fault: a *Refusal is the rollup's answer and is final for what was asked,
// ErrAway is none, after which the rollup may or may not have done what was asked.
package rollup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// ErrAway says that the rollup did not answer, or that it cannot now.
var ErrAway = errors.New("the rollup does not answer")

// Codes with which a rollup says that it cannot now (EIP-1474).
const (
	codeUnavailable   = -32002
	codeLimitExceeded = -32005
)

// Refusal is an error the rollup answered with.
type Refusal struct {
	Code    int
	Message string
	Data    any
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("the rollup refused: %s (%d)", r.Message, r.Code)
}

// Client is a connection to the rollup, which may be away.
type Client struct {
	url  string
	http *http.Client
	rpc  *gethrpc.Client
}

// New makes a client; nothing is sent yet.
func New(ctx context.Context, url string) (*Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.IdleConnTimeout = 64, time.Minute
	h := &http.Client{Transport: transport}
	rpc, err := gethrpc.DialOptions(ctx, url, gethrpc.WithHTTPClient(h))
	if err != nil {
		return nil, fmt.Errorf("connect to the rollup: %w", err)
	}
	return &Client{url, h, rpc}, nil
}

// Close gives up the connections.
func (c *Client) Close() error {
	c.rpc.Close()
	c.http.CloseIdleConnections()
	return nil
}

// Forward sends a request's body as it is. The caller closes the answer's.
func (c *Client) Forward(ctx context.Context, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("forward request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("forward request: %w: %w", ErrAway, err)
	}
	return res, nil
}

// Submit hands a bundle in. nil: the rollup has it.
func (c *Client) Submit(ctx context.Context, bundle []byte) error {
	return c.call(ctx, nil, "eth_sendRawTransaction", hexutil.Bytes(bundle))
}

// Knows tells whether the rollup has a transaction, in a block or not.
func (c *Client) Knows(ctx context.Context, hash common.Hash) (bool, error) {
	var found map[string]any
	err := c.call(ctx, &found, "eth_getTransactionByHash", hash)
	return found != nil, err
}

// ChainID asks for the rollup's chain.
func (c *Client) ChainID(ctx context.Context) (uint64, error) {
	var id hexutil.Uint64
	err := c.call(ctx, &id, "eth_chainId")
	return uint64(id), err
}

func (c *Client) call(ctx context.Context, result any, method string, args ...any) error {
	return classify(method, c.rpc.CallContext(ctx, result, method, args...))
}

func classify(method string, err error) error {
	var answered gethrpc.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &answered):
		return fmt.Errorf("%s: %w: %w", method, ErrAway, err)
	case answered.ErrorCode() == codeUnavailable || answered.ErrorCode() == codeLimitExceeded:
		return fmt.Errorf("%s: %w now: %w", method, ErrAway, err)
	}
	r := &Refusal{Code: answered.ErrorCode(), Message: err.Error()}
	if data := gethrpc.DataError(nil); errors.As(err, &data) {
		r.Data = data.ErrorData()
	}
	return fmt.Errorf("%s: %w", method, r)
}

// Account is what decides whether a transaction of it can run.
type Account struct {
	Nonce   uint64 // of the next transaction after the last block
	Pending uint64 // and after the rollup's pool
	Balance *big.Int
}

// Account asks for an account.
func (c *Client) Account(ctx context.Context, a common.Address) (Account, error) {
	var nonce, pending hexutil.Uint64
	var balance hexutil.Big
	if err := c.batch(ctx, []gethrpc.BatchElem{
		{Method: "eth_getTransactionCount", Args: []any{a, "latest"}, Result: &nonce},
		{Method: "eth_getTransactionCount", Args: []any{a, "pending"}, Result: &pending},
		{Method: "eth_getBalance", Args: []any{a, "latest"}, Result: &balance},
	}, 3); err != nil {
		return Account{}, err
	}
	return Account{uint64(nonce), uint64(pending), balance.ToInt()}, nil
}

// batch makes calls; the first `needed` must succeed.
func (c *Client) batch(ctx context.Context, calls []gethrpc.BatchElem, needed int) error {
	if err := c.rpc.BatchCallContext(ctx, calls); err != nil {
		return classify("batch", err)
	}
	for _, call := range calls[:needed] {
		if err := classify(call.Method, call.Error); err != nil {
			return err
		}
	}
	return nil
}
