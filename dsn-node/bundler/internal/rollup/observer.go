package rollup

import (
	"context"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"time"

	"blindseq/kit/budget"
	"blindseq/kit/certs"
	"blindseq/kit/jsonrpc"

	"github.com/coder/websocket"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// Observer is a node of the bundler's own that follows the chain. It is told what a bundler knows: whoever runs it reads who is
// about to send, and what wallets simulate.
type Observer struct{ *client }

// NewObserver makes a client of the observer; nothing is sent yet. With certificates, one on another machine is asked over TLS
// alone, and has to be an observer of this system.
func NewObserver(ctx context.Context, url string, certificates *certs.Source) (Observer, error) {
	c, err := dial(ctx, url, ErrObserver, certificates)
	return Observer{c}, err
}

// dialTimeout is for a WebSocket.
const dialTimeout = 3 * time.Second

// Subscribe opens a WebSocket, over which the observer keeps subscriptions. It counts them for the client of ctx. The caller closes it.
func (o Observer) Subscribe(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, res, err := websocket.Dial(ctx, strings.Replace(o.url, "http", "ws", 1), &websocket.DialOptions{HTTPClient: o.http, HTTPHeader: onBehalf(ctx)})
	if err != nil && res != nil {
		err = fmt.Errorf("%w (HTTP %d)", err, res.StatusCode)
	}
	if err != nil {
		return nil, fmt.Errorf("subscribe: %w: %w", o.away, err)
	}
	return conn, nil
}

func onBehalf(ctx context.Context) http.Header {
	c := budget.Of(ctx)
	if c == nil {
		return nil
	}
	return http.Header{"User-Agent": {jsonrpc.Behalf(c.Name(), c.Factor())}}
}

// Tip is the end of the chain as a node has it.
type Tip struct {
	Head    uint64
	BaseFee *big.Int // of the next block
}

// tip is how a Tip is asked for.
type tip struct {
	OldestBlock   hexutil.Uint64 `json:"oldestBlock"`
	BaseFeePerGas []*hexutil.Big `json:"baseFeePerGas"` // of the last block and the next one
}

func (t *tip) call() gethrpc.BatchElem {
	return gethrpc.BatchElem{Method: "eth_feeHistory", Args: []any{hexutil.Uint64(1), "latest", []float64{}}, Result: t}
}

func (t *tip) value() Tip {
	v := Tip{Head: uint64(t.OldestBlock), BaseFee: new(big.Int)}
	if n := len(t.BaseFeePerGas); n > 0 && t.BaseFeePerGas[n-1] != nil {
		v.BaseFee = t.BaseFeePerGas[n-1].ToInt()
	}
	return v
}

// Tip asks for the end of the chain. It names no account.
func (c *client) Tip(ctx context.Context) (Tip, error) {
	var t tip
	err := c.batch(ctx, []gethrpc.BatchElem{t.call()}, 1)
	return t.value(), err
}

// Question is about the sender of a transaction.
type Question struct {
	Hash     common.Hash
	From     common.Address
	Accounts []common.Address // whose nonces count, From among them
}

// Sender is what decides whether a transaction can run.
type Sender struct {
	Tip          // the rest is not older
	Shown   bool // somebody has shown the transaction in plain
	Balance *big.Int
	Nonces  map[common.Address]uint64 // of each account's next transaction
}

// Sender asks about a transaction and its sender.
func (o Observer) Sender(ctx context.Context, q Question) (Sender, error) {
	var t tip
	var s status
	var balance hexutil.Big
	nonces := make([]hexutil.Uint64, len(q.Accounts))
	calls := []gethrpc.BatchElem{ // in this order: nodes answer one after the other
		t.call(),
		{Method: "te_getTransactionStatus", Args: []any{q.Hash}, Result: &s},
		{Method: "eth_getBalance", Args: []any{q.From, "latest"}, Result: &balance},
	}
	for i, a := range q.Accounts {
		calls = append(calls, gethrpc.BatchElem{Method: "eth_getTransactionCount", Args: []any{a, "latest"}, Result: &nonces[i]})
	}
	if err := o.batch(ctx, calls, len(calls)); err != nil {
		return Sender{}, err
	}
	out := Sender{Tip: t.value(), Shown: s.Status != "unknown", Balance: balance.ToInt(), Nonces: map[common.Address]uint64{}}
	for i, a := range q.Accounts {
		out.Nonces[a] = uint64(nonces[i])
	}
	return out, nil
}

// NextNonce asks for the nonce of an account's next transaction, and for the head before that.
func (o Observer) NextNonce(ctx context.Context, account common.Address) (head, nonce uint64, err error) {
	var number, count hexutil.Uint64
	err = o.batch(ctx, []gethrpc.BatchElem{
		{Method: "eth_blockNumber", Result: &number},
		{Method: "eth_getTransactionCount", Args: []any{account, "pending"}, Result: &count},
	}, 2)
	return uint64(number), uint64(count), err
}
