package rpc

import (
	"context"
	"sync"
)

// heldOfClient is how many calls of one client wait at the same time: half of the requests that a gateway lets it have, so that the
// other half is free for calls that need no wait.
const heldOfClient = 64

// places bounds the calls that wait: of all clients, and of each that a gateway names.
type places struct {
	mu   sync.Mutex
	free int
	of   map[string]int // client to what it has
}

func newPlaces(n int) *places { return &places{free: n, of: map[string]int{}} }

// take takes a place for the client of a call, if there is one.
func (p *places) take(ctx context.Context) (release func(), ok bool) {
	client, factor := clientOf(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.free == 0 || p.of[client] >= heldOfClient*factor {
		return nil, false
	}
	p.free--
	p.of[client]++
	return func() { p.giveBack(client) }, true
}

func (p *places) giveBack(client string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free++
	if p.of[client]--; p.of[client] == 0 {
		delete(p.of, client)
	}
}
