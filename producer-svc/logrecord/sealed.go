package logrecord

import (
	"errors"
	"fmt"

	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// opened gives what a block executes of a preblock, and what became of its sealed transactions: those inside come first, in
// their order, then the plain ones; an unopenable one leaves nothing but its record. It is a function of the preblock alone,
// so that every producer executes the same. That the outcomes are right was checked by the monitor; here they must fit.
//
// A preblock that has neither certificate nor outcomes comes from a DSN without keyholders: all of it is executed as it is,
// and the chain skips a sealed transaction as one of a type it does not know.
func opened(p *preblockv1.Preblock) (txs [][]byte, sealed []*blueprintv1.SealedRecord, err error) {
	if len(p.GetOutcomes()) == 0 && p.GetCertificate() == nil {
		return p.GetContent().GetTransactions(), nil, nil
	}
	raws, err := rules.First(p.GetContent())
	if err == nil && len(raws) != len(p.GetOutcomes()) {
		err = fmt.Errorf("%d outcomes of %d sealed transactions", len(p.GetOutcomes()), len(raws))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("preblock %d: %w: %w", p.GetContent().GetNumber(), ErrOutcomes, err)
	}
	for i, raw := range raws {
		record, err := recordOf(uint32(i), raw, p.GetOutcomes()[i])
		if err != nil {
			return nil, nil, fmt.Errorf("preblock %d, sealed transaction %d: %w: %w", p.GetContent().GetNumber(), i, ErrOutcomes, err)
		}
		sealed = append(sealed, record)
		if len(record.GetTransactionHash()) > 0 {
			txs = append(txs, p.GetOutcomes()[i].GetOpened().GetTransaction())
		}
	}
	return append(txs, p.GetContent().GetTransactions()[len(raws):]...), sealed, nil
}

func recordOf(index uint32, raw []byte, o *preblockv1.Outcome) (*blueprintv1.SealedRecord, error) {
	s, err := seal.Parse(raw)
	if err != nil {
		return nil, err
	}
	if o.GetIndex() != index {
		return nil, fmt.Errorf("the outcome at its place is of %d", o.GetIndex())
	}
	id := s.ID()
	record := &blueprintv1.SealedRecord{
		Id: id[:], Index: index, Submitter: s.Submitter.Bytes(), Seq: s.Seq, Gas: s.Gas, Fee: s.Fee, Expiry: s.Expiry,
	}
	tx, reason := o.GetOpened().GetTransaction(), o.GetUnopenable().GetReason()
	switch {
	case len(tx) > 0:
		record.TransactionHash = crypto.Keccak256(tx)
	case reason != 0:
		record.Reason = reason
	default:
		return nil, errors.New("the outcome says nothing")
	}
	return record, nil
}

// Headers are what the window of seqs needs of a record's sealed transactions.
func Headers(rec *blueprintv1.LogRecord) []seal.Header {
	out := make([]seal.Header, len(rec.GetSealed()))
	for i, one := range rec.GetSealed() {
		out[i] = seal.Header{
			Submitter: common.BytesToAddress(one.GetSubmitter()), Seq: one.GetSeq(), Gas: one.GetGas(), Fee: one.GetFee(), Expiry: one.GetExpiry(),
		}
	}
	return out
}
