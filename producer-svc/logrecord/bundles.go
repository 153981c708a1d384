package logrecord

import (
	"fmt"
	"strings"

	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/crypto"
)

// opened gives what a block executes of a preblock, and what became of its bundles: the transactions of a decrypted bundle
// stand in its place, an undecryptable one leaves nothing but its record. It is a function of the preblock alone, so that
// every producer executes the same. That the outcomes are right was checked by the monitor; here they must fit.
//
// A preblock that has neither certificate nor outcomes comes from a DSN without keyholders: all of it is executed as it is,
// and the chain skips a bundle as a transaction of a type it does not know.
func opened(p *preblockv1.Preblock) (txs [][]byte, bundles []*blueprintv1.BundleRecord, err error) {
	rest := p.GetOutcomes()
	plain := len(rest) == 0 && p.GetCertificate() == nil
	for i, raw := range p.GetContent().GetTransactions() {
		if plain || !te.IsBundle(raw) {
			txs = append(txs, raw)
			continue
		}
		if len(rest) == 0 || rest[0].GetIndex() != uint32(i) {
			return nil, nil, fmt.Errorf("%w: preblock %d has no outcome of bundle %d at its place", ErrOutcomes, p.GetContent().GetNumber(), i)
		}
		record := bundleRecord(raw, rest[0])
		if record == nil {
			return nil, nil, fmt.Errorf("%w: preblock %d has an outcome of bundle %d that says nothing", ErrOutcomes, p.GetContent().GetNumber(), i)
		}
		txs, bundles, rest = append(txs, rest[0].GetDecrypted().GetTransactions()...), append(bundles, record), rest[1:]
	}
	if len(rest) > 0 {
		return nil, nil, fmt.Errorf("%w: preblock %d has %d outcomes of no bundle", ErrOutcomes, p.GetContent().GetNumber(), len(rest))
	}
	return txs, bundles, nil
}

// bundleRecord is nil when the outcome has neither result.
func bundleRecord(raw []byte, o *preblockv1.Outcome) *blueprintv1.BundleRecord {
	hash := crypto.Keccak256(raw)
	record := &blueprintv1.BundleRecord{Hash: hash, Index: o.GetIndex()}
	switch r := o.GetResult().(type) {
	case *preblockv1.Outcome_Decrypted:
		for _, tx := range r.Decrypted.GetTransactions() {
			record.TransactionHashes = append(record.TransactionHashes, crypto.Keccak256(tx))
		}
		if len(record.GetTransactionHashes()) == 0 {
			return nil
		}
	case *preblockv1.Outcome_Undecryptable:
		record.Reason, record.Text = r.Undecryptable.GetReason(), inWords(r.Undecryptable)
		if record.GetReason() == 0 {
			return nil
		}
	default:
		return nil
	}
	if record.GetReason() == 0 || len(o.GetOpening()) > 0 { // it was opened
		if id, err := te.CiphertextIDOf(raw); err == nil { // who opened it decoded it, and so did the monitor
			record.CiphertextId = id[:]
		}
	}
	return record
}

// inWords is never empty.
func inWords(u *preblockv1.Undecryptable) string {
	name := strings.ToLower(strings.TrimPrefix(u.GetReason().String(), "UNDECRYPTABLE_REASON_"))
	if u.GetText() == "" {
		return name
	}
	return name + ": " + u.GetText()
}
