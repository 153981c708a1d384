// Package tracker follows which producer leads and the address of its JSON-RPC.
//
// It guarantees that Current costs one atomic load, and that a Leader's Changed closes only after Current returns the next
// leader: a client that reconnects finds it. It asks of callers to Run the Tracker.
package tracker

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
)

// Directory knows the leader. Current's answer holds until the channel of Changed, taken before it, is closed.
type Directory interface {
	// Current is the address of the leader's JSON-RPC, "host:port" or a URL; false when no leader is known.
	Current() (address string, ok bool)
	Changed() <-chan struct{}
}

// Leader is a producer that leads. Its address never changes; Changed is closed when another leads.
type Leader struct {
	HTTP    *url.URL // its JSON-RPC over HTTP; over WebSocket it has the same address
	Changed <-chan struct{}

	changed chan struct{}
	address string
}

// Tracker knows the leader. Every request calls Current.
type Tracker struct {
	directory Directory
	onChange  func(known bool)

	current atomic.Pointer[Leader] // nil: no leader is known
	last    *Leader                // the last that was known
}

// New follows a directory. It calls onChange at once, and whenever a leader becomes known or unknown.
func New(directory Directory, onChange func(known bool)) *Tracker {
	t := &Tracker{directory: directory, onChange: onChange}
	onChange(false)
	t.look()
	return t
}

// Current is the leader, nil when none is known.
func (t *Tracker) Current() *Leader { return t.current.Load() }

// Run follows until ctx ends.
func (t *Tracker) Run(ctx context.Context) error {
	for {
		changed := t.directory.Changed()
		t.look()
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// look updates the current leader from the directory. A leader that disappears and returns is the same leader: its
// WebSockets stay open. A record without an address counts as no leader.
func (t *Tracker) look() {
	before := t.current.Load()
	now, replaced := t.find()
	t.current.Store(now)
	if replaced != nil {
		close(replaced.changed) // only now: clients that are disconnected return at once and must find the new leader
	}
	if (before != nil) != (now != nil) {
		t.onChange(now != nil)
	}
}

// find returns the leader, and the one it replaces if there is one.
func (t *Tracker) find() (now, replaced *Leader) {
	address, ok := t.directory.Current()
	if !ok || address == "" {
		return nil, nil
	}
	if t.last != nil && t.last.address == address {
		return t.last, nil
	}
	next, err := newLeader(address)
	if err != nil {
		return nil, nil
	}
	t.last, replaced = next, t.last
	return next, replaced
}

func newLeader(address string) (*Leader, error) {
	full := address
	if !strings.Contains(full, "://") {
		full = "http://" + full
	}
	u, err := url.Parse(full)
	if err != nil {
		return nil, fmt.Errorf("address of the leader %q: %w", address, err)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	changed := make(chan struct{})
	return &Leader{HTTP: u, Changed: changed, changed: changed, address: address}, nil
}
