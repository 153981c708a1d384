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

// Submit hands a sealed transaction in. nil: the rollup has it.
func (c *Client) Submit(ctx context.Context, sealed []byte) error {
	return c.call(ctx, nil, "eth_sendRawTransaction", hexutil.Bytes(sealed))
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

// Lead is what decides about the header of a submitter's next sealed transaction.
type Lead struct {
	Head    uint64 // number of the last block
	NextSeq uint64 // the first one that neither a block nor the leader's pool has
}

// lead is how a Lead is asked for.
type lead struct{ head, seq hexutil.Uint64 }

func (l *lead) calls(submitter common.Address) []gethrpc.BatchElem {
	return []gethrpc.BatchElem{
		{Method: "te_getNextSeq", Args: []any{submitter}, Result: &l.seq},
		{Method: "eth_blockNumber", Result: &l.head},
	}
}

func (l *lead) value() Lead { return Lead{Head: uint64(l.head), NextSeq: uint64(l.seq)} }

// Lead asks about a submitter.
func (c *Client) Lead(ctx context.Context, submitter common.Address) (Lead, error) {
	var l lead
	err := c.batch(ctx, l.calls(submitter), 2)
	return l.value(), err
}

// Account asks about the sender of a transaction, and about the submitter who is to seal it.
func (c *Client) Account(ctx context.Context, a, submitter common.Address) (Account, Lead, error) {
	var l lead
	var nonce, pending hexutil.Uint64
	var balance hexutil.Big
	calls := append(l.calls(submitter),
		gethrpc.BatchElem{Method: "eth_getTransactionCount", Args: []any{a, "latest"}, Result: &nonce},
		gethrpc.BatchElem{Method: "eth_getTransactionCount", Args: []any{a, "pending"}, Result: &pending},
		gethrpc.BatchElem{Method: "eth_getBalance", Args: []any{a, "latest"}, Result: &balance})
	if err := c.batch(ctx, calls, len(calls)); err != nil {
		return Account{}, Lead{}, err
	}
	return Account{uint64(nonce), uint64(pending), balance.ToInt()}, l.value(), nil
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
