package network

import (
	"sync/atomic"
	"time"

	"github.com/Shopify/toxiproxy/v2/toxics"
)

const halfOpenType = "half_open"

// grace is how long after HalfOpen a connection still counts as one that was there: to put the fault into it takes time.
const grace = 50 * time.Millisecond

// halfOpen is a toxic that swallows what is sent on connections made before a moment, and leaves later ones alone.
type halfOpen struct {
	Before int64 `json:"before"` // Unix time in ns

	open   atomic.Int64
	closed atomic.Int64 // when the last one was given up, Unix time in ns
}

// NewState implements toxics.StatefulToxic: it is called for each connection, when it is made or this is put into it.
func (*halfOpen) NewState() any { return time.Now() }

// Pipe implements toxics.Toxic.
func (h *halfOpen) Pipe(stub *toxics.ToxicStub) {
	if made, _ := stub.State.(time.Time); made.UnixNano() > h.Before {
		new(toxics.NoopToxic).Pipe(stub)
		return
	}
	h.open.Add(1)
	defer h.open.Add(-1)
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			if chunk == nil {
				h.closed.Store(time.Now().UnixNano())
				stub.Close()
				return
			}
		}
	}
}

// Vanished is the connections of a link that HalfOpen left half open.
type Vanished struct {
	Link   *Link
	since  time.Time
	toxics []*halfOpen
}

// Open says how many of them their users have not given up yet.
func (v *Vanished) Open() (n int64) {
	for _, t := range v.toxics {
		n += t.open.Load()
	}
	return n
}

// Took is how long it was until the last one so far was given up.
func (v *Vanished) Took() (d time.Duration) {
	for _, t := range v.toxics {
		if at := t.closed.Load(); at > 0 {
			d = max(d, time.Unix(0, at).Sub(v.since))
		}
	}
	return d
}
