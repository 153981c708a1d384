package loop

import (
	"sync"
	"time"

	"blindseq/kit/notify"
)

// Pace says when blocks are made that nobody asks for. The zero value makes none.
type Pace struct {
	// Transactions has a block made at once when there are some.
	Transactions bool
	// Between is how old the last block gets before another is made, also an empty one; 0 for any age.
	Between time.Duration
}

// Pacer keeps the pace, which may change while the loop runs. Its methods may be called from any goroutine.
type Pacer struct {
	changed notify.Wake

	mu   sync.Mutex
	pace Pace
}

// NewPacer returns a Pacer with a pace.
func NewPacer(p Pace) *Pacer { return &Pacer{pace: p, changed: notify.NewWake()} }

// Pace is the present one.
func (p *Pacer) Pace() Pace {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pace
}

// Change changes the pace.
func (p *Pacer) Change(change func(*Pace)) {
	p.mu.Lock()
	change(&p.pace)
	p.mu.Unlock()
	p.changed.Notify()
}
