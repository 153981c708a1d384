package blueprint

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

var (
	// ErrCannotSign is returned by an observer without the sequencer's key, which cannot sign what it would publish.
	ErrCannotSign = errors.New("no blueprints here: this observer does not have the sequencer's key")
	// ErrNotApplied is a number whose block is not applied yet; 0 is none.
	ErrNotApplied = errors.New("blueprint is not applied yet")
)

// Records is the blueprint log.
type Records interface {
	Get(number uint64) (*blueprintv1.LogRecord, error)
}

// Results is what executing blueprints gave.
type Results interface {
	BlockHash(number uint64) (content.Hash, bool)
	Skipped(number uint64) ([]*blueprintv1.SkippedTransaction, error)
}

// Builder makes applied blueprints from the log, the chain and the sequencer's key.
type Builder struct {
	Records Records
	Results Results
	Key     ed25519.PrivateKey // nil: blueprints cannot be made here
}

// Blueprint makes the applied blueprint of a number.
func (b Builder) Blueprint(number uint64) (*blueprintv1.Blueprint, error) {
	if b.Key == nil {
		return nil, ErrCannotSign
	}
	rec, err := b.Records.Get(number)
	if err != nil {
		return nil, err
	}
	chunks, err := b.chunks(rec)
	if err != nil {
		return nil, err
	}
	hash, ok := b.Results.BlockHash(number)
	if !ok {
		return nil, fmt.Errorf("blueprint %d: %w", number, ErrNotApplied)
	}
	skipped, err := b.Results.Skipped(number)
	if err != nil {
		return nil, err
	}
	for _, one := range rec.GetBundles() {
		if one.GetReason() != 0 {
			skipped = append(skipped, &blueprintv1.SkippedTransaction{Hash: one.GetHash(), Reason: "undecryptable: " + one.GetText()})
		}
	}
	return &blueprintv1.Blueprint{
		Number:              number,
		ParentHash:          rec.GetParentHash(),
		BlockHash:           hash[:],
		Timestamp:           rec.GetTimestamp(),
		DelayedTransactions: rec.GetDelayedTransactions(),
		Transactions:        rec.GetTransactions(),
		Skipped:             skipped,
		Chunks:              chunks,
		RequestId:           rec.GetRequestId(),
	}, nil
}

func (b Builder) chunks(rec *blueprintv1.LogRecord) ([][]byte, error) {
	format := Blueprint{Transactions: rec.GetTransactions(), Timestamp: rec.GetTimestamp().GetSeconds()}
	copy(format.ParentHash[:], rec.GetParentHash())
	for _, d := range rec.GetDelayedTransactions() {
		format.Delayed = append(format.Delayed, content.Hash(d.GetHash()))
	}
	return Sign(b.Key, rec.GetNumber(), format)
}
