// Package intake accepts plain and encrypted transactions at every replica, and reports the status of each.
//
// It guarantees: an accepted transaction is durable here or at the leader; the error of a refused one says whether the
// transaction is known nevertheless, and whether a retry may succeed.
package intake

import (
	"context"
	"fmt"

	"blindseq/producer-svc/internal/bundles"
	"blindseq/producer-svc/internal/rpc"
	"blindseq/producer-svc/internal/txstore"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
)

// Transactions is what clients send to and ask of this replica: a bundle and the transaction in it are one thing.
type Transactions struct {
	Plain   *txstore.Keeper
	Bundles *bundles.Pool // nil: a bundle is a transaction of a type that is not supported
	Named   func(common.Hash) (number uint64, ok bool, err error)
	Records func(number uint64) (*blueprintv1.LogRecord, error)
}

// Submit takes plain transactions and bundles, each kind in one go.
func (t Transactions) Submit(ctx context.Context, raws [][]byte) ([]common.Hash, []error) {
	var plain, bundled lane
	for i, raw := range raws {
		if t.Bundles != nil && te.IsBundle(raw) {
			bundled.add(i, raw)
		} else {
			plain.add(i, raw)
		}
	}
	hashes, errs := make([]common.Hash, len(raws)), make([]error, len(raws))
	if len(plain.raws) > 0 {
		plain.submit(ctx, t.Plain.Submit, hashes, errs)
	}
	if len(bundled.raws) > 0 {
		bundled.submit(ctx, t.Bundles.Submit, hashes, errs)
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

// Where a bundle is, besides what is said of the transaction in it.
const (
	stateDecrypted     = "decrypted"
	stateUndecryptable = "undecryptable"
)

// claimed is the reason shown with a state that is only the bundle's.
const claimed = "its sender says that the transaction is in this bundle; that is known when the bundle is opened"

// Status is the status of a transaction or bundle. A decrypted bundle has the status of its transaction, or of the first of
// several. What is known about a transaction itself takes precedence over what a waiting bundle claims.
func (t Transactions) Status(hash common.Hash) (rpc.Standing, error) {
	var claim rpc.Standing
	if t.Bundles != nil {
		if waiting, ok := t.Bundles.State(hash); ok {
			return rpc.Standing{State: string(waiting)}, nil
		}
		// This comes first: the block that decides about the bundle takes it out of the pool after the transaction is known.
		if bundle, state, ok := t.Bundles.Claimed(hash); ok {
			claim = rpc.Standing{State: string(state), Reason: claimed, Bundle: bundle}
		}
	}
	known, err := t.known(hash)
	if err == nil && known.State == txstore.StateUnknown && claim.State != "" {
		return claim, nil
	}
	return known, err
}

// known is where a transaction or bundle is that blocks or the pool of plain transactions know.
func (t Transactions) known(hash common.Hash) (rpc.Standing, error) {
	one, number, err := t.find(hash)
	switch {
	case err != nil:
		return rpc.Standing{}, fmt.Errorf("find status of %s: %w", hash, err)
	case one == nil:
		return t.standing(hash)
	case one.GetReason() != 0:
		return rpc.Standing{State: stateUndecryptable, Number: number, Reason: one.GetText()}, nil
	}
	at, err := t.standing(common.Hash(one.GetTransactionHashes()[0]))
	if err == nil && at.State != txstore.StateIncluded && at.State != txstore.StateSkipped {
		return rpc.Standing{State: stateDecrypted, Number: number, Reason: at.Reason}, nil
	}
	return at, err
}

func (t Transactions) standing(hash common.Hash) (at rpc.Standing, err error) {
	at.State, at.Number, at.Reason, err = t.Plain.Status(hash)
	return at, err
}

// Resolve gives the hash of the transaction in a decrypted bundle, the first of several; any other hash as it is.
func (t Transactions) Resolve(hash common.Hash) (common.Hash, error) {
	one, _, err := t.find(hash)
	if err != nil || one == nil || len(one.GetTransactionHashes()) == 0 {
		return hash, err
	}
	return common.Hash(one.GetTransactionHashes()[0]), nil
}

// find finds the record of a bundle and the number of its blueprint; nil when there is none that is applied.
func (t Transactions) find(hash common.Hash) (*blueprintv1.BundleRecord, uint64, error) {
	number, ok, err := t.Named(hash)
	if err != nil || !ok {
		return nil, 0, err
	}
	rec, err := t.Records(number)
	if err != nil {
		return nil, 0, err
	}
	for _, one := range rec.GetBundles() {
		if common.Hash(one.GetHash()) == hash {
			return one, number, nil
		}
	}
	return nil, 0, nil
}
