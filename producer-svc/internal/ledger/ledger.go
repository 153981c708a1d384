// Package ledger joins the chain with the stores of transactions: a block that is applied removes its transactions from them.
//
// It guarantees: when Apply returns, the block is the head, and its transactions have left the stores or have a recorded
// reason. A repeat gives the same, so a crash between the two is repaired by applying the head once more.
package ledger

import (
	"context"
	"sync/atomic"

	"blindseq/kit/content"
	"blindseq/producer-svc/internal/bundles"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/txstore"
	"blindseq/producer-svc/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/common"
)

// Ledger is an open chain with its stores.
type Ledger struct {
	Chain   *chain.Chain
	Keeper  *txstore.Keeper
	Bundles *bundles.Pool // nil when nothing is encrypted
	// KeepEarly keeps transactions that were opened before their nonces were due. Observers do not: they never lead.
	KeepEarly bool
	// Count is called for each applied block.
	Count func(transactions, skipped int)

	carried atomic.Bool // transactions wait for the front of the next proposal
}

// Carried says whether transactions that did not fit in a block wait for the front of the next proposal.
func (l *Ledger) Carried() bool { return l.carried.Load() }

// Head is the last applied block.
func (l *Ledger) Head() section.Head {
	number, hash, timestamp := l.Chain.Head()
	return section.Head{Number: number, Hash: content.Hash(hash), Time: int64(timestamp)}
}

// Apply executes a record and removes its transactions from the stores. A repeat gives the same result.
func (l *Ledger) Apply(ctx context.Context, rec *blueprintv1.LogRecord) (section.Block, error) {
	result, err := l.Chain.Apply(ctx, BlockOf(rec))
	if err != nil {
		return section.Block{}, err
	}
	if early := earlyOnes(result, rec); l.KeepEarly && len(early) > 0 {
		if err := l.Keeper.Early(context.WithoutCancel(ctx), early); err != nil { // the block is applied, even if ctx ends
			return section.Block{}, err
		}
	}
	skipped := make([]txstore.Ending, 0, len(result.Skipped))
	for _, s := range result.Skipped {
		skipped = append(skipped, txstore.Ending{Hash: s.Hash, Reason: s.Reason})
	}
	if err := l.Keeper.Applied(result.Number, result.Included, skipped); err != nil {
		return section.Block{}, err
	}
	if l.Bundles != nil {
		if err := l.Bundles.Applied(BundleHashes(rec)); err != nil {
			return section.Block{}, err
		}
	}
	l.carried.Store(len(result.Carried) > 0)
	undecryptable := 0
	for _, one := range rec.GetBundles() {
		if one.GetReason() != 0 {
			undecryptable++
		}
	}
	block := section.BlockOf(rec, content.Hash(result.Hash))
	l.Count(block.Transactions, len(skipped)+undecryptable)
	return block, nil
}

// earlyOnes are the transactions of a block that were skipped because those before them are missing. A bundle hides its
// nonce, so the order of bundles may be wrong after another producer has taken the lead; what was opened cannot be sent
// as a bundle again, and anybody could send it as it is.
func earlyOnes(result chain.Result, rec *blueprintv1.LogRecord) (raws [][]byte) {
	early := map[common.Hash]bool{}
	for _, one := range result.Skipped {
		if one.Early {
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

// BundleHashes are the hashes of a record's bundles.
func BundleHashes(rec *blueprintv1.LogRecord) (hashes []common.Hash) {
	for _, one := range rec.GetBundles() {
		hashes = append(hashes, common.Hash(one.GetHash()))
	}
	return hashes
}

// BlockOf is the block that a record decides.
func BlockOf(rec *blueprintv1.LogRecord) chain.Block {
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
func (l *Ledger) BlockHash(number uint64) (content.Hash, bool) {
	hash, ok := l.Chain.HashOf(number)
	return content.Hash(hash), ok
}

// Skipped is what a block had to skip.
func (l *Ledger) Skipped(number uint64) ([]*blueprintv1.SkippedTransaction, error) {
	list, err := l.Chain.SkippedIn(number)
	if err != nil {
		return nil, err
	}
	var skipped []*blueprintv1.SkippedTransaction
	for _, s := range list {
		skipped = append(skipped, &blueprintv1.SkippedTransaction{Hash: s.Hash[:], Reason: s.Reason})
	}
	return skipped, nil
}

// Proposable is the chain as proposals are put together from it.
type Proposable struct{ *Ledger }

// Head is the last applied block.
func (p Proposable) Head() (number uint64, hash content.Hash, timestamp int64) {
	head := p.Ledger.Head()
	return head.Number, head.Hash, head.Time
}

// Transactions are those for a proposal on top of the head; see api.Chain.
func (p Proposable) Transactions(ctx context.Context, room uint64) ([][]byte, int, error) {
	return p.Chain.Content(ctx, chain.Limits{Bytes: room})
}

// UpgradeDue says whether other rules hold at this time than at the head.
func (p Proposable) UpgradeDue(at int64) bool { return p.Chain.UpgradeDue(uint64(at)) }
