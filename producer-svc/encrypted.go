package producer

import (
	"blindseq/producer-svc/contents"
	"context"
	"fmt"
	"time"

	"blindseq/producer-svc/internal/bundles"
	"blindseq/producer-svc/internal/ledger"
	"blindseq/producer-svc/internal/rpc"
	"blindseq/producer-svc/internal/txstore"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	"blindseq/seal/committee"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// encrypt opens the pool of bundles when there is a committee to encrypt for.
func (s *Service) encrypt() (err error) {
	if s.cfg.CommitteeFile == "" {
		return nil
	}
	if s.committee, err = committee.Read(s.cfg.CommitteeFile); err != nil {
		return err
	}
	if got := s.disk.chain.ChainID(); got != s.committee.ChainID {
		return fmt.Errorf("read committee %s: it is of chain %d, this is %d", s.cfg.CommitteeFile, s.committee.ChainID, got)
	}
	allowed, err := s.cfg.bundlers()
	if err != nil {
		return err
	}
	s.bundles = bundles.New(bundles.Config{
		Store: s.disk.store, Ordered: s.disk.chain.NamedIn, Allowed: allowed, Arrived: s.pool.wake, Checked: s.metrics.checked,
	})
	return nil
}

// encryptionKey is what te_getEncryptionKey answers; nil when nothing is encrypted.
func (s *Service) encryptionKey() *rpc.EncryptionKey {
	c := s.committee
	if c == nil {
		return nil
	}
	master := c.Keys.Master().Bytes()
	return &rpc.EncryptionKey{
		ChainID: hexutil.Uint64(c.ChainID), MasterKey: master[:], Threshold: c.Keys.Threshold(), Quorum: c.Quorum(),
		Members: c.Members.Members(), CommitteeHash: c.Hash(), FirstNumber: hexutil.Uint64(c.First),
	}
}

func (s *Service) waitingBundles() int {
	if s.bundles == nil {
		return 0
	}
	return s.bundles.Count()
}

func (s *Service) contents() *contents.Assembler {
	c := &contents.Assembler{Chain: ledger.Proposable{Ledger: s.ledger}, Delayed: s.pool, Locked: s.poolLocked, Share: s.cfg.BundleShare,
		Latest: func() int64 { return time.Now().Add(s.cfg.MaxClockDrift).Unix() }}
	if s.bundles != nil {
		c.Bundles = s.bundles
	}
	return c
}

func (s *Service) transactions() transactions {
	return transactions{plain: s.disk.keeper, bundles: s.bundles, named: s.disk.chain.NamedIn, records: s.disk.log.Get}
}

// sent is transactions for clients: what comes is routed to the leader.
func (s *Service) sent() rpc.Transactions { return routed{transactions: s.transactions(), s: s} }

// transactions is what a client sends and asks for, encrypted or not: a bundle and the transaction in it are one thing.
type transactions struct {
	plain   *txstore.Keeper
	bundles *bundles.Pool // nil: a bundle is a transaction of a type that is not supported
	named   func(common.Hash) (number uint64, ok bool, err error)
	records func(number uint64) (*blueprintv1.LogRecord, error)
}

// Submit takes plain transactions and bundles, each kind in one go.
func (t transactions) Submit(ctx context.Context, raws [][]byte) ([]common.Hash, []error) {
	var plain, bundled lane
	for i, raw := range raws {
		if t.bundles != nil && te.IsBundle(raw) {
			bundled.add(i, raw)
		} else {
			plain.add(i, raw)
		}
	}
	hashes, errs := make([]common.Hash, len(raws)), make([]error, len(raws))
	if len(plain.raws) > 0 {
		plain.submit(ctx, t.plain.Submit, hashes, errs)
	}
	if len(bundled.raws) > 0 {
		bundled.submit(ctx, t.bundles.Submit, hashes, errs)
	}
	return hashes, errs
}

// lane is what of a batch goes one way, and from where in the batch.
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

// Status is where a transaction or bundle is. What became of the transaction in a decrypted bundle is what became of the
// bundle; of several, the first. What is known of a transaction itself goes before what a waiting bundle says of it.
func (t transactions) Status(hash common.Hash) (rpc.Standing, error) {
	var claim rpc.Standing
	if t.bundles != nil {
		if waiting, ok := t.bundles.State(hash); ok {
			return rpc.Standing{State: string(waiting)}, nil
		}
		// Asked first: the block that decides about the bundle takes it out of the pool after the transaction is known.
		if bundle, state, ok := t.bundles.Claimed(hash); ok {
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
func (t transactions) known(hash common.Hash) (rpc.Standing, error) {
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

func (t transactions) standing(hash common.Hash) (at rpc.Standing, err error) {
	at.State, at.Number, at.Reason, err = t.plain.Status(hash)
	return at, err
}

// Resolve gives the hash of the transaction in a decrypted bundle, the first of several; any other hash as it is.
func (t transactions) Resolve(hash common.Hash) (common.Hash, error) {
	one, _, err := t.find(hash)
	if err != nil || one == nil || len(one.GetTransactionHashes()) == 0 {
		return hash, err
	}
	return common.Hash(one.GetTransactionHashes()[0]), nil
}

// find finds the record of a bundle and the number of its blueprint; nil when there is none that is applied.
func (t transactions) find(hash common.Hash) (*blueprintv1.BundleRecord, uint64, error) {
	number, ok, err := t.named(hash)
	if err != nil || !ok {
		return nil, 0, err
	}
	rec, err := t.records(number)
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
