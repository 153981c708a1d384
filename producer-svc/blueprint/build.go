package blueprint

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"

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
	// Executed are the transactions of the block, in their order.
	Executed(number uint64) ([]Executed, error)
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
	hash, ok := b.Results.BlockHash(number)
	if !ok {
		return nil, fmt.Errorf("blueprint %d: %w", number, ErrNotApplied)
	}
	skipped, err := b.skipped(rec)
	if err != nil {
		return nil, err
	}
	executed, err := b.Results.Executed(number)
	if err != nil {
		return nil, err
	}
	chunks, err := Sign(b.Key, number, OfExecuted(content.Hash(rec.GetParentHash()), rec.GetTimestamp().GetSeconds(), executed))
	if err != nil {
		return nil, err
	}
	answer := &blueprintv1.Blueprint{
		Number:              number,
		ParentHash:          rec.GetParentHash(),
		BlockHash:           hash[:],
		Timestamp:           rec.GetTimestamp(),
		DelayedTransactions: rec.GetDelayedTransactions(),
		Transactions:        rec.GetTransactions(),
		Skipped:             skipped,
		Chunks:              chunks,
		RequestId:           rec.GetRequestId(),
		BaseFee:             rec.GetBaseFee(),
	}
	for _, one := range executed {
		answer.Executed = append(answer.Executed, &blueprintv1.ExecutedTransaction{Raw: one.Raw, Delayed: one.Delayed})
	}
	return answer, nil
}

// Unsigned is the blueprint of a number as it follows from its preblock. It needs no key.
func (b Builder) Unsigned(number uint64) (Blueprint, error) {
	rec, err := b.Records.Get(number)
	if err != nil {
		return Blueprint{}, err
	}
	if _, ok := b.Results.BlockHash(number); !ok {
		return Blueprint{}, fmt.Errorf("blueprint %d: %w", number, ErrNotApplied)
	}
	executed, err := b.Results.Executed(number)
	if err != nil {
		return Blueprint{}, err
	}
	return OfExecuted(content.Hash(rec.GetParentHash()), rec.GetTimestamp().GetSeconds(), executed), nil
}

// skipped are the transactions that ended in the block without being executed, and the sealed ones that hold none.
func (b Builder) skipped(rec *blueprintv1.LogRecord) ([]*blueprintv1.SkippedTransaction, error) {
	skipped, err := b.Results.Skipped(rec.GetNumber())
	if err != nil {
		return nil, err
	}
	for _, one := range rec.GetSealed() {
		if len(one.GetTransactionHash()) == 0 {
			skipped = append(skipped, &blueprintv1.SkippedTransaction{Hash: one.GetId(), Reason: "unopenable: " + reasonOf(one)})
		}
	}
	return skipped, nil
}

// reasonOf is why a sealed transaction is unopenable, in a word.
func reasonOf(one *blueprintv1.SealedRecord) string {
	return strings.ToLower(strings.TrimPrefix(one.GetReason().String(), "UNOPENABLE_REASON_"))
}
