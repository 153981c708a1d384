package rollup

import (
	"context"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// MaxLook is how many transactions are looked for at once: nodes bound their batches.
const MaxLook = 32

// Status is where a sealed transaction is, as te_getTransactionStatus says of its id.
type Status struct {
	Name   string
	Number uint64 // of the block that it is ordered in, 0 for none
	Reason string
}

type status struct {
	Status      string         `json:"status"`
	BlockNumber hexutil.Uint64 `json:"blockNumber"`
	Reason      string         `json:"reason"`
}

// Public says whether the place of the transaction is fixed, so that everybody can read it or is about to.
func (s Status) Public() bool { return s.Number > 0 }

// Held says whether the rollup has the transaction and works on it, or has finished with it.
func (s Status) Held() bool {
	return s.Public() || slices.Contains([]string{"sealed", "ordered", "opened"}, s.Name)
}

// Executed says whether the transaction is in a block.
func (s Status) Executed() bool { return slices.Contains([]string{"executed", "included"}, s.Name) }

// Ended says whether the transaction was ordered and will never be in a block. One that ended without being ordered, for
// example because it expired, can be sealed anew.
func (s Status) Ended() bool {
	return s.Public() && slices.Contains([]string{"ended", "unopenable", "skipped"}, s.Name)
}

// Statuses asks where sealed transactions are, at most MaxLook of them. An observer knows of those that are ordered, a leader
// also of those that wait.
func (c *client) Statuses(ctx context.Context, ids []common.Hash) ([]Status, error) {
	answers := make([]status, len(ids))
	var calls []gethrpc.BatchElem
	for i, id := range ids {
		calls = append(calls, gethrpc.BatchElem{Method: "te_getTransactionStatus", Args: []any{id}, Result: &answers[i]})
	}
	if err := c.batch(ctx, calls, len(calls)); err != nil {
		return nil, err
	}
	out := make([]Status, len(ids))
	for i, a := range answers {
		out[i] = Status{a.Status, uint64(a.BlockNumber), a.Reason}
	}
	return out, nil
}

// Query names a transaction and its sender.
type Query struct {
	Hash common.Hash
	From common.Address
}

// State is where a transaction is, as far as the observer says.
type State struct {
	Err      error // the observer could not say; the rest means nothing then
	Included bool
	Block    uint64
	Nonce    uint64 // of the sender's next transaction, read before it was looked for a receipt
}

type receipt struct {
	BlockNumber hexutil.Uint64 `json:"blockNumber"`
}

type look struct {
	nonce   hexutil.Uint64
	receipt *receipt
}

// perLook is the number of calls a look takes.
const perLook = 2

// calls ask for the nonce first: when it is used and there is no receipt after that, another transaction used it.
func (l *look) calls(q Query) []gethrpc.BatchElem {
	return []gethrpc.BatchElem{
		{Method: "eth_getTransactionCount", Args: []any{q.From, "latest"}, Result: &l.nonce},
		{Method: "eth_getTransactionReceipt", Args: []any{q.Hash}, Result: &l.receipt},
	}
}

// Look asks where transactions are, at most MaxLook of them, in one batch.
func (o Observer) Look(ctx context.Context, queries []Query) ([]State, error) {
	looks := make([]look, len(queries))
	var calls []gethrpc.BatchElem
	for i, q := range queries {
		calls = append(calls, looks[i].calls(q)...)
	}
	if err := o.batch(ctx, calls, 0); err != nil {
		return nil, err
	}
	states := make([]State, len(queries))
	for i := range looks {
		states[i] = looks[i].state(o.client, calls[perLook*i:perLook*(i+1)])
	}
	return states, nil
}

func (l *look) state(c *client, calls []gethrpc.BatchElem) State {
	for _, call := range calls {
		if err := c.classify(call.Method, call.Error); err != nil {
			return State{Err: err}
		}
	}
	s := State{Nonce: uint64(l.nonce), Included: l.receipt != nil}
	if s.Included {
		s.Block = uint64(l.receipt.BlockNumber)
	}
	return s
}
