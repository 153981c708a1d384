// Package intake accepts transactions, plain or sealed, at every replica, and reports the status of each.
//
// It guarantees: an accepted transaction is durable here or at the leader; the error of a refused one says whether the
// transaction is known nevertheless, and whether a retry may succeed.
package intake

import (
	"context"
	"slices"

	"blindseq/kit/telemetry"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/sealedpool"
	"blindseq/producer-svc/internal/traces"
	"blindseq/producer-svc/internal/txstore"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
)

// Chain knows what became of transactions; package chain has it.
type Chain interface {
	// NamedIn finds the block that ordered a sealed transaction, by its id, or one that waited for gas.
	NamedIn(name common.Hash) (number uint64, ok bool, err error)
	Included(hash common.Hash) (number uint64, ok bool)
	SkippedIn(number uint64) ([]chain.Skipped, error)
	Barred(hash common.Hash) (bool, error)
}

// Transactions is what clients send to and ask of this replica: a sealed transaction and the one inside are one thing.
type Transactions struct {
	Plain   *txstore.Keeper
	Sealed  *sealedpool.Pool // nil: a sealed transaction is one of a type that is not supported
	Chain   Chain
	Records func(number uint64) (*blueprintv1.LogRecord, error)
	// Traces are those of what waits for a block; nil for none.
	Traces *traces.Waiting
	// Accepted is called with what was accepted; nil for nothing.
	Accepted func(hashes ...common.Hash)
}

// Submit takes plain and sealed transactions, each kind in one go.
func (t Transactions) Submit(ctx context.Context, raws [][]byte) ([]common.Hash, []error) {
	var plain, sealed lane
	for i, raw := range raws {
		if t.Sealed != nil && seal.IsSealed(raw) {
			sealed.add(i, raw)
		} else {
			plain.add(i, raw)
		}
	}
	hashes, errs := make([]common.Hash, len(raws)), make([]error, len(raws))
	if trace := telemetry.TraceOf(ctx); t.Traces != nil && trace.Known() {
		t.Traces.Add(trace)
		defer func() {
			if !slices.Contains(errs, nil) {
				t.Traces.Remove(trace)
			}
		}()
	}
	if len(plain.raws) > 0 {
		plain.submit(ctx, t.Plain.Submit, hashes, errs)
	}
	if len(sealed.raws) > 0 {
		sealed.submit(ctx, t.Sealed.Submit, hashes, errs)
	}
	if t.Accepted != nil {
		t.Accepted(hashes...)
	}
	return hashes, errs
}

// lane is the part of a batch that goes one way, with its places in the batch.
type lane struct {
	from []int
	raws [][]byte
}

func (l *lane) add(i int, raw []byte) { l.from, l.raws = append(l.from, i), append(l.raws, raw) }

func (l *lane) submit(ctx context.Context, to func(context.Context, [][]byte) ([]common.Hash, []error), hashes []common.Hash, errs []error) {
	h, e := to(ctx, l.raws)
	for j, i := range l.from {
		hashes[i], errs[i] = h[j], e[j]
	}
}
