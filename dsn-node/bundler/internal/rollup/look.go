package rollup

import (
	"context"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// MaxLook is how many transactions are looked for at once: rollups bound their batches.
const MaxLook = 32

// Query names a transaction and its sender.
type Query struct {
	Hash common.Hash
	From common.Address
}

// State is where a transaction is, as far as the rollup says.
type State struct {
	Err      error // the rollup could not say; the rest means nothing then
	Included bool
	Block    uint64
	Nonce    uint64 // of the sender's next transaction, read before it was looked for a receipt
	Status   string // of te_getTransactionStatus, empty when the rollup has no such method
	Reason   string
	Bundle   common.Hash // the status is of this bundle, which is only said to hold the transaction; zero: of the transaction
}

// Gone tells whether the transaction was decided and will never be in a block.
func (s State) Gone() bool {
	return s.Bundle == (common.Hash{}) && (s.Status == "skipped" || s.Status == "undecryptable")
}

// Held tells whether the rollup has the transaction, or the bundle it tells of instead, and works on it.
func (s State) Held() bool {
	return slices.Contains([]string{"received", "queued", "pending", "ordered", "decrypted", "included"}, s.Status)
}

type receipt struct {
	BlockNumber hexutil.Uint64 `json:"blockNumber"`
}

type status struct {
	Status string      `json:"status"`
	Reason string      `json:"reason"`
	Bundle common.Hash `json:"bundle"`
}

type look struct {
	nonce   hexutil.Uint64
	receipt *receipt
	status  status
}

// perLook is the number of calls a look takes. The nonce comes first: when it is used and there is no receipt after that,
// another transaction used it.
const perLook = 3

func (l *look) calls(q Query) []gethrpc.BatchElem {
	return []gethrpc.BatchElem{
		{Method: "eth_getTransactionCount", Args: []any{q.From, "latest"}, Result: &l.nonce},
		{Method: "eth_getTransactionReceipt", Args: []any{q.Hash}, Result: &l.receipt},
		{Method: "te_getTransactionStatus", Args: []any{q.Hash}, Result: &l.status},
	}
}

// Look asks where transactions are, at most MaxLook of them, in one batch.
func (c *Client) Look(ctx context.Context, queries []Query) ([]State, error) {
	looks := make([]look, len(queries))
	var calls []gethrpc.BatchElem
	for i, q := range queries {
		calls = append(calls, looks[i].calls(q)...)
	}
	if err := c.batch(ctx, calls, 0); err != nil {
		return nil, err
	}
	states := make([]State, len(queries))
	for i := range looks {
		states[i] = looks[i].state(calls[perLook*i : perLook*(i+1)])
	}
	return states, nil
}

func (l *look) state(calls []gethrpc.BatchElem) State {
	for _, call := range calls[:2] {
		if err := classify(call.Method, call.Error); err != nil {
			return State{Err: err}
		}
	}
	s := State{Nonce: uint64(l.nonce), Included: l.receipt != nil}
	if s.Included {
		s.Block = uint64(l.receipt.BlockNumber)
	}
	if calls[2].Error == nil { // a rollup may lack this method
		s.Status, s.Reason, s.Bundle = l.status.Status, l.status.Reason, l.status.Bundle
	}
	return s
}
