package intake

import (
	"context"
	"errors"

	"blindseq/kit/content"
	"blindseq/producer-svc/internal/replicate"
	"blindseq/producer-svc/internal/sealedpool"
	"blindseq/producer-svc/internal/txstore"
	replicationv1 "blindseq/proto/blindseq/replication/v1"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/txpool/legacypool"
)

// Taker takes, at the leader, what other replicas hand over.
type Taker struct {
	*Intake
	Leads      func() bool
	AddDelayed func(ctx context.Context, raw []byte) (content.Hash, error)
}

// Take takes what another replica was sent, or acknowledged when it led.
func (t Taker) Take(ctx context.Context, entries []*replicationv1.Entry) ([]*replicationv1.SubmitResult, error) {
	if !t.Leads() {
		return nil, replicate.ErrNotLeading
	}
	results := make([]*replicationv1.SubmitResult, len(entries))
	var sent lane
	for i, e := range entries {
		if e.GetKind() == replicationv1.Kind_KIND_DELAYED {
			hash, err := t.AddDelayed(ctx, e.GetRaw())
			results[i] = t.result(common.Hash(hash), err)
			continue
		}
		sent.add(i, e.GetRaw())
	}
	if len(sent.raws) == 0 {
		return results, nil
	}
	hashes, errs := t.admitted(ctx, sent.raws)
	for j, i := range sent.from {
		results[i] = t.result(hashes[j], errs[j])
	}
	return results, nil
}

func (n *Intake) result(hash common.Hash, err error) *replicationv1.SubmitResult {
	r := &replicationv1.SubmitResult{Hash: hash[:]}
	if err == nil {
		return r
	}
	r.Error, r.Code = err.Error(), int32(codeOf(err))
	r.Known, r.Again = n.has(hash, err), passes(err)
	for _, full := range []error{txstore.ErrPoolFull, txstore.ErrFull, sealedpool.ErrFull, sealedpool.ErrQuota, legacypool.ErrTxPoolOverflow} {
		r.Again = r.GetAgain() || errors.Is(err, full)
	}
	return r
}

// StandbyStore is the transaction store as a standby fills it.
type StandbyStore struct {
	*txstore.Store
	Keeper   *txstore.Keeper
	Sealed   *sealedpool.Pool // nil when nothing is sealed
	Named    func(common.Hash) (uint64, bool, error)
	Included func(common.Hash) (uint64, bool)
}

// Keep leaves out what is in an applied block. What gets into one in between is found when this replica leads.
func (k StandbyStore) Keep(changes []txstore.Change) error {
	var kept []txstore.Change
	var plain []txstore.Tx
	var sealed [][]byte
	for _, one := range changes {
		if one.Kind == txstore.ChangeEnded {
			kept = append(kept, one)
			continue
		}
		hash := txstore.HashOf(one.Raw)
		if ordered, err := k.ordered(hash); err != nil || ordered {
			if err != nil {
				return err
			}
			continue
		}
		kept = append(kept, one)
		switch one.Kind {
		case txstore.ChangeTransaction:
			plain = append(plain, txstore.Tx{Hash: hash, Raw: one.Raw})
		case txstore.ChangeSealed:
			sealed = append(sealed, one.Raw)
		}
	}
	if err := k.Store.Keep(kept); err != nil {
		return err
	}
	if err := k.Keeper.Offered(plain); err != nil || k.Sealed == nil {
		return err
	}
	return k.Sealed.Adopt(sealed)
}

// End records how transactions ended.
func (k StandbyStore) End(ended []txstore.Ending) error {
	if k.Sealed == nil {
		return k.Store.End(ended)
	}
	return k.Sealed.End(ended)
}

func (k StandbyStore) ordered(hash common.Hash) (bool, error) {
	if _, ok := k.Included(hash); ok {
		return true, nil
	}
	_, ok, err := k.Named(hash)
	return ok, err
}

// SetLocked takes over the leader's lock of the pool.
func (k StandbyStore) SetLocked(locked bool, reason string) error {
	if now, why := k.Locked(); now == locked && why == reason {
		return nil
	}
	return k.Store.SetLocked(locked, reason)
}
