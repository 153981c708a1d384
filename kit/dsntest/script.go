package dsntest

import (
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Fix fixes the next preblock for a request.
func (d *DSN) Fix(requestID string, tx ...byte) *preblockv1.Preblock {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := Preblock(d.last()+1, requestID, tx...)
	d.put(p)
	return p
}

// FixContent fixes a content for a request, as if it had come another way. It does nothing if the number is fixed.
func (d *DSN) FixContent(c *preblockv1.Content, requestID string) {
	d.locked(func() { d.fix(&dsnv1.SubmitProposalRequest{Content: c, RequestId: requestID, Attempt: 1}) })
}

// Accept is FixContent, but the preblock is not decided yet.
func (d *DSN) Accept(c *preblockv1.Content, requestID string) {
	d.locked(func() {
		d.open = c.GetNumber()
		d.fix(&dsnv1.SubmitProposalRequest{Content: c, RequestId: requestID, Attempt: 1})
	})
}

// FixHidden fixes the next preblock, but streams skip it: only GetPreblock and Send give it.
func (d *DSN) FixHidden(requestID string) *preblockv1.Preblock {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hidden = d.last() + 1
	p := Preblock(d.hidden, requestID)
	d.put(p)
	return p
}

// Put fixes a preblock unchecked. It replaces the preblock of its number; streams that have sent that one do not send the
// number again.
func (d *DSN) Put(p *preblockv1.Preblock) { d.locked(func() { d.put(p) }) }

// Send puts a preblock on one stream, out of turn. The stream continues after its number.
func (d *DSN) Send(p *preblockv1.Preblock) { d.sent <- p }

// Get is what was fixed for a number; nil for none.
func (d *DSN) Get(number uint64) *preblockv1.Preblock {
	d.mu.Lock()
	defer d.mu.Unlock()
	if number == d.open {
		return nil
	}
	return d.fixed[number]
}

// Fixed is the last number that is fixed without a gap before it.
func (d *DSN) Fixed() uint64 {
	n := uint64(0)
	for d.Get(n+1) != nil {
		n++
	}
	return n
}

// Changed returns a channel that is closed when something is fixed.
func (d *DSN) Changed() <-chan struct{} { return d.changed.Changed() }

// Wait makes the DSN say why it fixes nothing; "" that nothing is in the way.
func (d *DSN) Wait(reason string) { d.locked(func() { d.waits = reason }) }

// Lose makes the next n submissions be answered and forgotten.
func (d *DSN) Lose(n int) { d.locked(func() { d.lose = n }) }

// Fail makes every call end in err; nil ends that. Streams that are open stay open until they have something to send.
func (d *DSN) Fail(err error) { d.locked(func() { d.err = err }) }

// Break ends every stream.
func (d *DSN) Break() { d.broken.Notify() }

// Down makes the DSN unreachable, until Up, and ends every stream.
func (d *DSN) Down() {
	d.Fail(status.Error(codes.Unavailable, "down"))
	d.Break()
}

// Up makes it reachable again.
func (d *DSN) Up() { d.Fail(nil) }

func (d *DSN) locked(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}
