package rpc

import (
	"context"
	"time"
)

// patience is how long the calls of one request may still be held. All calls of a batch share it: geth's server answers them one
// after the other, and nobody gets the answer to one before the last is answered.
type patience struct {
	left time.Duration
	sent map[string][]outcome // what became of the raw transactions that were sent before the rest of their batch
}

// outcome is the result of one send.
type outcome struct {
	hash [32]byte
	err  error
}

type patienceKey struct{}

// withPatience marks a request by HTTP. Only there is a batch known as one: calls by WebSocket are not held.
func withPatience(ctx context.Context, hold time.Duration) (context.Context, *patience) {
	p := &patience{left: hold}
	return context.WithValue(ctx, patienceKey{}, p), p
}

func patienceOf(ctx context.Context) *patience {
	p, _ := ctx.Value(patienceKey{}).(*patience)
	return p
}

// spend bounds a wait by what is left, and returns what to call after it.
func (p *patience) spend(limit time.Duration) (bounded time.Duration, done func()) {
	if p == nil {
		return limit, func() {}
	}
	began := time.Now()
	return min(limit, p.left), func() { p.left = max(0, p.left-time.Since(began)) }
}

// take returns what became of a transaction that was sent already; each outcome once, in the order of the calls.
func (p *patience) take(raw []byte) (o outcome, ok bool) {
	if p == nil || len(p.sent[string(raw)]) == 0 {
		return o, false
	}
	all := p.sent[string(raw)]
	p.sent[string(raw)] = all[1:]
	return all[0], true
}
