package sealedpool

import (
	"fmt"

	"blindseq/producer-svc/internal/admission"

	"github.com/ethereum/go-ethereum/common"
)

// fraction is the part of what is free in the pool that one submitter may take: many at once leave something to the next one.
const fraction = 8

// exceeded is a refusal with JSON-RPC's code for an exceeded limit.
type exceeded struct{ error }

func (exceeded) ErrorCode() int  { return -32005 }
func (e exceeded) Unwrap() error { return e.error }

func limited(format string, args ...any) error { return exceeded{fmt.Errorf(format, args...)} }

// waiting is what waits of one submitter.
type waiting struct {
	transactions int
	gas, bytes   uint64
}

func (w *waiting) add(e *entry, size int) {
	w.transactions++
	w.gas += e.header.Gas
	w.bytes += uint64(size)
}

// remove reports whether nothing is left.
func (w *waiting) remove(e *entry, size int) bool {
	w.transactions--
	w.gas -= e.header.Gas
	w.bytes -= uint64(size)
	return w.transactions == 0
}

// mayWait refuses what exceeds the quota of its submitter, or the pool. A submitter of which nothing waits has room for one
// transaction of any size. The caller holds mu.
func (p *Pool) mayWait(e *entry, size int) error {
	standing := p.standing(e.header.Submitter)
	if standing.Class == admission.Out {
		return limited("%w: %d of the %d transactions it had ordered lately; it is let in again when %d seconds or %d blocks have passed since",
			ErrSpoilt, standing.Garbage, standing.Garbage+standing.Ended+standing.Executed, admission.Memory, admission.MemoryBlocks)
	}
	transactions, bytes := p.cfg.Limits.Transactions, p.cfg.Limits.Bytes
	if p.cfg.Book != nil && standing.Class != admission.Front { // the other half is for those in front
		transactions, bytes = (transactions+1)/2, bytes/2
	}
	if len(p.byID) >= transactions || p.bytes+size > bytes {
		return fmt.Errorf("%w: %d of %d bytes wait", ErrFull, len(p.byID), p.bytes)
	}
	w := p.waiting[e.header.Submitter]
	if w == nil || p.cfg.Book == nil || !standing.Bounded() {
		return nil
	}
	most := (transactions - len(p.byID)) / fraction
	if w.gas+e.header.Gas > standing.Gas || w.bytes+uint64(size) > standing.Bytes || w.transactions >= most {
		return limited("%w: %d transactions with %d gas and %d bytes wait, of at most %d, %d gas and %d bytes; send again when some are in a block, and see te_getSubmitter",
			ErrQuota, w.transactions, w.gas, w.bytes, most, standing.Gas, standing.Bytes)
	}
	return nil
}

// standing is that of a submitter; everybody is in front where there is no book.
func (p *Pool) standing(submitter common.Address) admission.Standing {
	if p.cfg.Book == nil {
		return admission.Standing{Gas: admission.Unbounded, Bytes: admission.Unbounded}
	}
	return p.cfg.Book.Standing(submitter)
}

// Submitter is what a submitter may do here.
type Submitter struct {
	admission.Standing
	NextSeq      uint64
	Refused      error // why it may not submit
	Transactions int   // that wait, with their gas and bytes
	WaitingGas   uint64
	WaitingBytes uint64
}

// Submitter says what a submitter may do here.
func (p *Pool) Submitter(of common.Address) Submitter {
	s := Submitter{Standing: p.standing(of), NextSeq: p.NextSeq(of)}
	if p.cfg.Admit != nil {
		s.Refused = p.cfg.Admit(of)
	}
	if s.Class == admission.Out {
		s.Refused = ErrSpoilt
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.waiting[of]; w != nil {
		s.Transactions, s.WaitingGas, s.WaitingBytes = w.transactions, w.gas, w.bytes
	}
	return s
}
