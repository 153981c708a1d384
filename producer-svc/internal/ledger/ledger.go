// Package ledger joins the chain with the stores of transactions: a block that is applied removes its transactions from them.
//
// It guarantees: when Apply returns, the block is the head, and its transactions have left the stores or have a recorded
// reason. A repeat gives the same, so a crash between the two is repaired by applying the head once more.
package ledger

import (
	"context"

	"blindseq/kit/clock"
	"blindseq/kit/content"
	"blindseq/producer-svc/blueprint"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/sealedpool"
	"blindseq/producer-svc/internal/txstore"
	"blindseq/producer-svc/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/common"
)

// Ledger is an open chain with its stores.
type Ledger struct {
	Chain  *chain.Chain
	Keeper *txstore.Keeper
	Sealed *sealedpool.Pool // nil when nothing is sealed
	Bars   Bars
	// Count is called for each applied block.
	Count func(transactions, skipped int)
	// Applied is called with the hashes and ids of the transactions that an applied block has, skipped or ordered; nil for nothing.
	Applied func(hashes ...common.Hash)
	Clock   *clock.Clock // of the timestamps; nil for the machine's
}

// Bars says which transactions are barred after they were opened and ended: those that their own sender sealed, or a relay. Both
// fields are constants of the chain. The zero value bars none.
type Bars struct {
	Lifetime uint64 // for how many numbers
	IsRelay  func(submitter common.Address) bool
}

func (b Bars) relay(submitter common.Address) bool { return b.IsRelay != nil && b.IsRelay(submitter) }

// Waiting says whether transactions that were ordered before wait for gas in a later block.
func (l *Ledger) Waiting() bool { return l.Chain.Waiting().Transactions > 0 }

// Head is the last applied block.
func (l *Ledger) Head() section.Head {
	number, hash, timestamp := l.Chain.Head()
	return section.Head{Number: number, Hash: content.Hash(hash), Time: int64(timestamp)}
}

// Apply executes a record and removes its transactions from the stores. A repeat gives the same result. durable says when the record is
// on the disk; nil for one that is.
func (l *Ledger) Apply(ctx context.Context, rec *blueprintv1.LogRecord, durable func() error) (section.Block, error) {
	decided := BlockOf(rec, l.Bars)
	decided.Durable = durable
	result, err := l.Chain.Apply(ctx, decided)
	if err != nil {
		return section.Block{}, err
	}
	skipped := make([]txstore.Ending, 0, len(result.Skipped))
	for _, s := range result.Skipped {
		skipped = append(skipped, txstore.Ending{Hash: s.Hash, Reason: s.Reason})
	}
	if err := l.Keeper.Applied(result.Number, result.Included, skipped, result.Waiting); err != nil {
		return section.Block{}, err
	}
	if l.Sealed != nil {
		if err := l.Sealed.Applied(rec, l.fates(rec, decided.Sealed)); err != nil {
			return section.Block{}, err
		}
	}
	if l.Applied != nil {
		l.Applied(namesOf(rec, result)...)
	}
	block := section.BlockOf(rec, content.Hash(result.Hash))
	l.Clock.Passed(block.Time)
	l.Count(block.Transactions, len(skipped)+section.Unopenable(rec))
	return block, nil
}

// namesOf are the hashes of what a block has or skipped, and the ids of what it ordered.
func namesOf(rec *blueprintv1.LogRecord, result chain.Result) []common.Hash {
	names := append([]common.Hash(nil), result.Included...)
	for _, one := range result.Skipped {
		names = append(names, one.Hash)
	}
	for _, one := range rec.GetSealed() {
		names = append(names, common.BytesToHash(one.GetId()))
	}
	return names
}

// BlockOf is the block that a record decides.
func BlockOf(rec *blueprintv1.LogRecord, bars Bars) chain.Block {
	b := chain.Block{
		Number: rec.GetNumber(), ParentHash: common.Hash(rec.GetParentHash()), ContentHash: common.Hash(rec.GetContentHash()),
		Timestamp: uint64(rec.GetTimestamp().GetSeconds()), Transactions: rec.GetTransactions(),
	}
	for _, d := range rec.GetDelayedTransactions() {
		b.Delayed = append(b.Delayed, d.GetRaw())
	}
	for _, one := range rec.GetSealed() {
		b.Names = append(b.Names, common.Hash(one.GetId()))
		if len(one.GetTransactionHash()) == 0 {
			continue
		}
		submitter := common.BytesToAddress(one.GetSubmitter())
		b.Sealed = append(b.Sealed, chain.Sealed{
			Raw: b.Transactions[0], Submitter: submitter, Relay: bars.relay(submitter), Gas: one.GetGas(), Fee: one.GetFee(),
		})
		b.Transactions = b.Transactions[1:]
	}
	if bars.Lifetime > 0 {
		b.BarredUntil = rec.GetNumber() + bars.Lifetime
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
		skipped = append(skipped, &blueprintv1.SkippedTransaction{Hash: s.Hash[:], Reason: s.Reason, BarredUntil: s.BarredUntil})
	}
	return skipped, nil
}

// Executed are the transactions of a block, in the order of execution.
func (l *Ledger) Executed(number uint64) ([]blueprint.Executed, error) {
	return l.Chain.ExecutedIn(number)
}

// Proposable is the chain as proposals are put together from it.
type Proposable struct{ *Ledger }

// Head is the last applied block.
func (p Proposable) Head() (number uint64, hash content.Hash, timestamp int64) {
	head := p.Ledger.Head()
	return head.Number, head.Hash, head.Time
}

// Transactions are the pool's for a proposal on top of the head; see package contents.
func (p Proposable) Transactions(ctx context.Context, room, taken uint64) ([][]byte, error) {
	return p.Chain.Content(ctx, chain.Limits{Bytes: room, Taken: taken})
}

// BaseFee is that of the next block.
func (l *Ledger) BaseFee() uint64 { return l.Chain.BaseFee() }

// Gas is what the next block has beside what waits for it.
func (p Proposable) Gas() uint64 {
	gas := p.Chain.GasLimit()
	return gas - min(gas, p.Chain.Waiting().Gas)
}

// WaitingBytes is how much of a blueprint the transactions take that wait for the next block.
func (p Proposable) WaitingBytes() uint64 { return p.Chain.Waiting().Bytes }

// UpgradeDue says whether other rules hold at this time than at the head.
func (p Proposable) UpgradeDue(at int64) bool { return p.Chain.UpgradeDue(uint64(at)) }
