package sealedpool

import (
	"fmt"

	"blindseq/producer-svc/internal/admission"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/common"
)

// What a State can be named. What became of a transaction whose block is applied, the chain knows.
const (
	Sealed  = "sealed"  // durable, and its place is not fixed yet
	Ordered = "ordered" // its place is fixed; the block is being applied
	Opened  = "opened"  // the same, and it is known what is inside
)

// State is how far a transaction in the pool has come.
type State struct {
	Name        string
	Number      uint64      // of the blueprint that has it; 0 for none
	Transaction common.Hash // inside, when it is opened
	Reason      string      // why it waits, as far as a look at it tells
	BaseFee     *uint64     // of the content that has it
}

// Where says how far a transaction has come; false when it is not in the pool.
func (p *Pool) Where(id common.Hash) (State, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.byID[id]
	if !ok || e.raw == nil {
		return State{}, false
	}
	at := e.State
	if at.Name != Sealed {
		return at, true
	}
	if base := p.baseFee(); e.header.Fee < base {
		at.Reason = fmt.Sprintf("its fee, %d, is below the base fee of the next block, %d", e.header.Fee, base)
	} else if p.standing(e.header.Submitter).Class == admission.Back {
		at.Reason = "its submitter has sent garbage lately, so others go first (te_getSubmitter)"
	}
	return at, true
}

func (p *Pool) baseFee() uint64 {
	if p.cfg.BaseFee == nil {
		return 0
	}
	return p.cfg.BaseFee()
}

// Decided notes that the places of a record's transactions are fixed.
func (p *Pool) Decided(rec *blueprintv1.LogRecord) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range rec.GetSealed() {
		e, ok := p.byID[common.Hash(one.GetId())]
		if !ok || e.raw == nil {
			continue
		}
		baseFee := rec.GetBaseFee()
		e.State = State{Name: Ordered, Number: rec.GetNumber(), BaseFee: &baseFee}
		if inside := one.GetTransactionHash(); len(inside) > 0 {
			e.State.Name, e.State.Transaction = Opened, common.Hash(inside)
		}
	}
}
