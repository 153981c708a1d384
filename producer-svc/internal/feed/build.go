package feed

import (
	"crypto/ed25519"
	"fmt"

	"blindseq/kit/content"
	"blindseq/producer-svc/internal/blueprint"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
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
		return nil, ErrNoKey
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
		return nil, fmt.Errorf("block %d: %w", number, ErrNotApplied)
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
	format := blueprint.Blueprint{Transactions: rec.GetTransactions(), Timestamp: rec.GetTimestamp().GetSeconds()}
	copy(format.ParentHash[:], rec.GetParentHash())
	for _, d := range rec.GetDelayedTransactions() {
		format.Delayed = append(format.Delayed, content.Hash(d.GetHash()))
	}
	return blueprint.Sign(b.Key, rec.GetNumber(), format)
}
