package intake

import (
	"fmt"

	"blindseq/producer-svc/internal/rpc"
	"blindseq/producer-svc/internal/txstore"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	"blindseq/seal/outcome"

	"github.com/ethereum/go-ethereum/common"
)

// stateExecuted is where a sealed transaction is whose block is applied, and in that block. If not, it is txstore.StateEnded.
const stateExecuted = "executed"

// Status is where a transaction is, by its hash, or by its id if it is a sealed one.
func (t Transactions) Status(hash common.Hash) (rpc.Standing, error) {
	at, err := t.status(hash)
	if err != nil {
		return rpc.Standing{}, fmt.Errorf("find status of %s: %w", hash, err)
	}
	return at, nil
}

func (t Transactions) status(hash common.Hash) (at rpc.Standing, err error) {
	if t.Sealed != nil {
		// This comes first: the block that decides takes it out of the pool after the chain knows what became of it.
		if waiting, ok := t.Sealed.Where(hash); ok {
			return rpc.Standing{State: waiting.Name, Number: waiting.Number, Transaction: waiting.Transaction, Reason: waiting.Reason, BaseFee: waiting.BaseFee}, nil
		}
	}
	one, rec, err := t.find(hash)
	if err != nil {
		return rpc.Standing{}, err
	}
	if one != nil {
		return t.settled(one, rec)
	}
	at.State, at.Number, at.Reason, err = t.Plain.Status(hash)
	if err == nil && at.State != txstore.StateIncluded {
		at.Barred, err = t.Chain.Barred(hash)
	}
	return at, err
}

// settled is what an applied block made of a sealed transaction. It was executed in this block or never.
func (t Transactions) settled(one *blueprintv1.SealedRecord, rec *blueprintv1.LogRecord) (at rpc.Standing, err error) {
	number, baseFee := rec.GetNumber(), rec.GetBaseFee()
	at = rpc.Standing{State: txstore.StateEnded, Number: number, Transaction: common.BytesToHash(one.GetTransactionHash()), BaseFee: &baseFee}
	if len(one.GetTransactionHash()) == 0 {
		at.Reason = "unopenable: " + outcome.ReasonText(one.GetReason())
		return at, nil
	}
	if in, ok := t.Chain.Included(at.Transaction); ok && in == number {
		at.State = stateExecuted
		return at, nil
	}
	skipped, err := t.Chain.SkippedIn(number)
	if err != nil {
		return at, err
	}
	for _, s := range skipped {
		if s.Hash == at.Transaction {
			at.Reason = s.Reason
		}
	}
	at.Barred, err = t.Chain.Barred(at.Transaction)
	return at, err
}

// Resolve gives the hash of the transaction inside an opened sealed one; any other hash as it is.
func (t Transactions) Resolve(hash common.Hash) (common.Hash, error) {
	one, _, err := t.find(hash)
	if err != nil || len(one.GetTransactionHash()) == 0 {
		return hash, err
	}
	return common.Hash(one.GetTransactionHash()), nil
}

// find finds the record of the applied blueprint that has a name, nil for none, and in it that of the sealed transaction with
// this id; nil for a plain one.
func (t Transactions) find(id common.Hash) (*blueprintv1.SealedRecord, *blueprintv1.LogRecord, error) {
	number, ok, err := t.Chain.NamedIn(id)
	if err != nil || !ok {
		return nil, nil, err
	}
	rec, err := t.Records(number)
	if err != nil {
		return nil, nil, err
	}
	for _, one := range rec.GetSealed() {
		if common.Hash(one.GetId()) == id {
			return one, rec, nil
		}
	}
	return nil, rec, nil
}
