package producer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"blindseq/kit/content"
	"blindseq/producer-svc/internal/api"
	"blindseq/producer-svc/internal/bundles"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/section"
	"blindseq/producer-svc/internal/txstore"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/common"
)

// evm is the chain as sections, proposals and the feed see it. Each applied block is told to the transaction store.
type evm struct {
	chain   *chain.Chain
	keeper  *txstore.Keeper
	bundles *bundles.Pool // nil when nothing is encrypted
	metrics *metrics
	keeps   bool        // transactions that were opened before their nonces were due: not where nobody will lead
	carried atomic.Bool // transactions wait for the front of the next proposal
}

// Head is the last applied block.
func (e *evm) Head() section.Head {
	number, hash, timestamp := e.chain.Head()
	return section.Head{Number: number, Hash: content.Hash(hash), Time: int64(timestamp)}
}

// Apply executes a record and settles its transactions. A repeat gives the same.
func (e *evm) Apply(ctx context.Context, rec *blueprintv1.LogRecord) (section.Block, error) {
	block, err := e.apply(ctx, rec)
	if errors.Is(err, txstore.ErrBroken) || errors.Is(err, chain.ErrBroken) {
		return section.Block{}, fmt.Errorf("%w: %w", section.ErrStorage, err)
	}
	return block, err
}

func (e *evm) apply(ctx context.Context, rec *blueprintv1.LogRecord) (section.Block, error) {
	result, err := e.chain.Apply(ctx, blockOf(rec))
	if err != nil {
		return section.Block{}, err
	}
	if early := earlyOnes(result, rec); e.keeps && len(early) > 0 {
		if err := e.keeper.Early(context.WithoutCancel(ctx), early); err != nil { // the block is applied, whatever becomes of ctx
			return section.Block{}, err
		}
	}
	skipped := make([]txstore.Outcome, 0, len(result.Skipped))
	for _, s := range result.Skipped {
		skipped = append(skipped, txstore.Outcome{Hash: s.Hash, Reason: s.Reason})
	}
	if err := e.keeper.Applied(result.Number, result.Included, skipped); err != nil {
		return section.Block{}, err
	}
	if e.bundles != nil {
		if err := e.bundles.Applied(bundleHashes(rec)); err != nil {
			return section.Block{}, err
		}
	}
	e.carried.Store(len(result.Carried) > 0)
	undecryptable := 0
	for _, one := range rec.GetBundles() {
		if one.GetReason() != 0 {
			undecryptable++
		}
	}
	block := section.BlockOf(rec, content.Hash(result.Hash))
	e.metrics.blocks.Inc()
	e.metrics.txs.Add(float64(block.Transactions))
	e.metrics.skipped.Add(float64(len(skipped) + undecryptable))
	return block, nil
}

// earlyOnes are the transactions of a block that were skipped because those before them are missing. A bundle hides its
// nonce, so the order of bundles may be wrong after another producer has taken the lead; what was opened cannot be sent
// as a bundle again, and anybody could send it as it is.
func earlyOnes(result chain.Result, rec *blueprintv1.LogRecord) (raws [][]byte) {
	early := map[common.Hash]bool{}
	for _, one := range result.Skipped {
		if one.Early() {
			early[one.Hash] = true
		}
	}
	if len(early) == 0 {
		return nil
	}
	for _, raw := range rec.GetTransactions() {
		if early[chain.HashTransaction(raw)] {
			raws = append(raws, raw)
		}
	}
	return raws
}

func bundleHashes(rec *blueprintv1.LogRecord) (hashes []common.Hash) {
	for _, one := range rec.GetBundles() {
		hashes = append(hashes, common.Hash(one.GetHash()))
	}
	return hashes
}

func blockOf(rec *blueprintv1.LogRecord) chain.Block {
	b := chain.Block{
		Number: rec.GetNumber(), ParentHash: common.Hash(rec.GetParentHash()),
		Timestamp: uint64(rec.GetTimestamp().GetSeconds()), Transactions: rec.GetTransactions(),
	}
	for _, d := range rec.GetDelayedTransactions() {
		b.Delayed = append(b.Delayed, d.GetRaw())
	}
	for _, one := range rec.GetBundles() {
		b.Names = append(b.Names, common.Hash(one.GetHash()))
		if id := one.GetCiphertextId(); len(id) > 0 {
			b.Names = append(b.Names, common.Hash(id))
		}
	}
	return b
}

// BlockHash is the hash of an applied block.
func (e *evm) BlockHash(number uint64) (content.Hash, bool) {
	hash, ok := e.chain.HashOf(number)
	return content.Hash(hash), ok
}

// Skipped is what a block had to skip.
func (e *evm) Skipped(number uint64) ([]*blueprintv1.SkippedTransaction, error) {
	list, err := e.chain.SkippedIn(number)
	if err != nil {
		return nil, err
	}
	var skipped []*blueprintv1.SkippedTransaction
	for _, s := range list {
		skipped = append(skipped, &blueprintv1.SkippedTransaction{Hash: s.Hash[:], Reason: s.Reason})
	}
	return skipped, nil
}

// proposable is the chain as proposals are put together from it.
type proposable struct{ *evm }

func (p proposable) Head() (number uint64, hash content.Hash, timestamp int64) {
	head := p.evm.Head()
	return head.Number, head.Hash, head.Time
}

func (p proposable) Transactions(ctx context.Context, room uint64) ([][]byte, int, error) {
	return p.chain.Content(ctx, chain.Limits{Bytes: room})
}

func (p proposable) UpgradeDue(at int64) bool { return p.chain.UpgradeDue(uint64(at)) }

// maxDelayedBytes bounds one delayed transaction, as the pool bounds the others.
const maxDelayedBytes = 128 << 10

// delayedShare bounds the delayed transactions of one proposal. They count little in a blueprint, which holds their
// hashes only, but the log record and the published blueprint hold them whole.
const delayedShare = 4 << 20

// pool is what operators change and proposals ask of the transaction store.
type pool struct {
	store  *txstore.Store
	keeper *txstore.Keeper
	nudge  chan struct{} // holds one signal for the loop
}

// Pending lists the delayed transactions for the next proposal, oldest first.
func (p *pool) Pending() ([]content.Hash, error) {
	txs, err := p.store.Delayed(content.MaxBlueprintBytes / content.DelayedTransactionBytes)
	var hashes []content.Hash
	size := 0
	for _, tx := range txs {
		if size += len(tx.Raw); size > delayedShare {
			break
		}
		hashes = append(hashes, content.Hash(tx.Hash))
	}
	return hashes, err
}

// Raw finds a delayed transaction.
func (p *pool) Raw(hash content.Hash) ([]byte, bool, error) {
	return p.store.DelayedByHash(common.Hash(hash))
}

// AddDelayed stores a delayed transaction and wakes the loop.
func (p *pool) AddDelayed(ctx context.Context, raw []byte) (content.Hash, error) {
	if len(raw) > maxDelayedBytes {
		return content.Hash{}, fmt.Errorf("add delayed transaction: %w: %d bytes, at most %d", api.ErrBadRequest, len(raw), maxDelayedBytes)
	}
	hash, _, err := p.keeper.AddDelayed(ctx, raw)
	switch {
	case err == nil:
		p.wake()
	case !errors.Is(err, txstore.ErrEnded) && !errors.Is(err, txstore.ErrFull) && !errors.Is(err, txstore.ErrBroken):
		err = fmt.Errorf("%w: %w", api.ErrBadRequest, err)
	}
	return content.Hash(hash), err
}

// SetLocked locks or unlocks the pool.
func (p *pool) SetLocked(_ context.Context, locked bool) error {
	if err := p.store.SetLocked(locked, "locked by an operator"); err != nil {
		return err
	}
	p.wake()
	return nil
}

// Locked says whether an operator has locked the pool.
func (p *pool) Locked() bool {
	locked, _ := p.store.Locked()
	return locked
}

func (p *pool) wake() {
	select {
	case p.nudge <- struct{}{}:
	default:
	}
}
