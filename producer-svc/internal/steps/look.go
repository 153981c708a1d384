package steps

import (
	"context"
	"time"

	"blindseq/kit/retry"
	"blindseq/producer-svc/internal/rpc"
	"blindseq/producer-svc/internal/sealedpool"
	"blindseq/producer-svc/internal/txstore"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
)

// The ranks of steps: a follower gets them ascending.
const (
	none = iota
	accepted
	final
	opened
	last
)

func rankOf(k blueprintv1.StepKind) int {
	switch k {
	case blueprintv1.StepKind_STEP_KIND_PENDING, blueprintv1.StepKind_STEP_KIND_SEALED:
		return accepted
	case blueprintv1.StepKind_STEP_KIND_FINAL:
		return final
	case blueprintv1.StepKind_STEP_KIND_OPENED:
		return opened
	}
	return last
}

// found is what is known of a transaction at one look.
type found struct {
	rpc.Standing
	final    *preblockv1.Final // nil when it is not final, or when that cannot be shown
	position int
	ordered  bool // its place is final
}

// look returns the steps of a transaction that follow those sent.
func (t *Tracker) look(ctx context.Context, hash common.Hash, sent int) (steps []*blueprintv1.TransactionStep, err error) {
	var now found
	if now.Standing, err = t.Status(hash); err != nil {
		return nil, err
	}
	if sent < final {
		if err := t.order(ctx, hash, &now); err != nil {
			return nil, err
		}
	}
	if now.State == txstore.StateUnknown && !now.ordered {
		return nil, nil
	}
	for _, one := range t.steps(hash, now) {
		if rankOf(one.GetKind()) > sent {
			steps = append(steps, one)
		}
	}
	return steps, nil
}

// order finds where a transaction stands in the order.
func (t *Tracker) order(ctx context.Context, hash common.Hash, now *found) (err error) {
	if now.final, now.position = t.recent.find(hash); now.final != nil {
		now.ordered = true
		return nil
	}
	if now.Number == 0 {
		return nil
	}
	now.ordered = true
	pause := retry.Policy{First: 50 * time.Millisecond, Longest: time.Second}.New()
	for {
		if now.final, now.position, err = t.Ordered(ctx, hash, now.Number); err == nil {
			return nil
		}
		t.Log.DebugContext(ctx, "look for the order of a transaction that is followed", "hash", hash, "number", now.Number, "error", err)
		if err := pause.Wait(ctx); err != nil {
			return err
		}
	}
}

// steps are all that a transaction has made so far.
func (t *Tracker) steps(hash common.Hash, now found) (all []*blueprintv1.TransactionStep) {
	add := func(kind blueprintv1.StepKind, number uint64) *blueprintv1.TransactionStep {
		one := &blueprintv1.TransactionStep{Kind: kind, Number: number}
		all = append(all, one)
		return one
	}
	if now.sealed() {
		add(blueprintv1.StepKind_STEP_KIND_SEALED, 0)
	} else {
		add(blueprintv1.StepKind_STEP_KIND_PENDING, 0)
	}
	if now.ordered || now.Number > 0 {
		one := add(blueprintv1.StepKind_STEP_KIND_FINAL, max(now.final.GetContent().GetNumber(), now.Number))
		if now.final != nil { // a plain transaction that found no room is ordered before its block
			one.Number = now.final.GetContent().GetNumber()
		}
		if now.final.GetCertificate() != nil {
			one.Final, one.Position = now.final, uint32(now.position)
		}
	}
	inside := now.Transaction
	if inside != (common.Hash{}) {
		add(blueprintv1.StepKind_STEP_KIND_OPENED, now.Number).TransactionHash = inside[:]
	} else {
		inside = hash
	}
	switch now.State {
	case "executed", txstore.StateIncluded:
		one := add(blueprintv1.StepKind_STEP_KIND_EXECUTED, now.Number)
		one.Index, _ = t.Index(inside)
		one.TransactionHash = inside[:]
	case txstore.StateEnded, txstore.StateSkipped, txstore.StateDropped:
		one := add(blueprintv1.StepKind_STEP_KIND_ENDED, now.Number)
		one.Reason, one.Barred = now.Reason, now.Barred
	}
	return all
}

// sealed says whether a transaction came sealed.
func (f found) sealed() bool {
	switch f.State {
	case sealedpool.Sealed, sealedpool.Ordered, sealedpool.Opened, "executed", txstore.StateEnded:
		return true
	}
	list := f.final.GetContent().GetTransactions()
	return f.position < len(list) && seal.IsSealed(list[f.position])
}
