package logrecord

import (
	"bytes"
	"fmt"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// Parent is the block that a record's block is built on.
type Parent struct {
	Hash content.Hash
	Time int64 // seconds since 1970
}

// Delayed finds delayed transactions by hash.
type Delayed interface {
	Raw(hash content.Hash) (raw []byte, ok bool, err error)
}

// Of makes the log record of a preblock on top of a block, without token and holder. What a final content says of that block
// does not count (rule C6): it is built on on, and not before it. Delayed transactions are in a preblock by hash
// only; the record holds their bytes, so that from here on everyone executes the same. One that is not known here is not
// skipped but ErrUnknownDelayed: another producer may have executed it, and then skipping it would be a fork.
func Of(p *preblockv1.Preblock, on Parent, delayed Delayed) (*blueprintv1.LogRecord, error) {
	c := p.GetContent()
	txs, sealed, err := opened(p)
	if err != nil {
		return nil, err
	}
	rec := &blueprintv1.LogRecord{
		Number:       c.GetNumber(),
		ParentHash:   c.GetPreviousBlockHash(),
		Timestamp:    c.GetTimestamp(),
		Transactions: txs,
		Sealed:       sealed,
		RequestId:    p.GetRequestId(),
		ContentHash:  p.GetContentHash(),
		BaseFee:      c.GetBaseFee(),
	}
	if p.GetCertificate() != nil {
		place(rec, on)
	}
	for _, h := range c.GetDelayedTransactionHashes() {
		raw, ok, err := delayed.Raw(content.Hash(h))
		if err == nil && !ok {
			err = ErrUnknownDelayed
		}
		if err != nil {
			return nil, fmt.Errorf("preblock %d, delayed transaction %x: %w", c.GetNumber(), h, err)
		}
		rec.DelayedTransactions = append(rec.DelayedTransactions, &blueprintv1.DelayedTransaction{Hash: h, Raw: raw})
	}
	return rec, nil
}

// place builds a record on a block, and keeps what its content says instead.
func place(rec *blueprintv1.LogRecord, on Parent) {
	if !bytes.Equal(rec.GetParentHash(), on.Hash[:]) {
		rec.NamedParentHash, rec.ParentHash = rec.GetParentHash(), on.Hash[:]
	}
	if rec.GetTimestamp().GetSeconds() < on.Time {
		rec.NamedTimestamp, rec.Timestamp = rec.GetTimestamp(), &timestamppb.Timestamp{Seconds: on.Time}
	}
}

// Claim is what a final content can say wrongly of the block before it. Keyholders do not have the chain, so they cannot check
// it. Who proposed the content was wrong or lied; the certified preblock is the evidence.
type Claim string

// The claims.
const (
	ClaimParent    Claim = "parent"
	ClaimTimestamp Claim = "timestamp"
	ClaimBaseFee   Claim = "base_fee"
)

// False is a claim that is wrong.
type False struct {
	Claim        Claim
	Named, Right string
}

// FalseClaims returns the wrong claims of a record's content. baseFee is the base fee of the record's block. Without sealed
// transactions, the base fee that a content names means nothing.
func FalseClaims(rec *blueprintv1.LogRecord, baseFee uint64) (all []False) {
	if named := rec.GetNamedParentHash(); len(named) > 0 {
		all = append(all, False{ClaimParent, fmt.Sprintf("0x%x", named), fmt.Sprintf("0x%x", rec.GetParentHash())})
	}
	if named := rec.GetNamedTimestamp(); named != nil {
		all = append(all, False{ClaimTimestamp, fmt.Sprint(named.GetSeconds()), fmt.Sprint(rec.GetTimestamp().GetSeconds())})
	}
	if len(rec.GetSealed()) > 0 && rec.GetBaseFee() != baseFee {
		all = append(all, False{ClaimBaseFee, fmt.Sprint(rec.GetBaseFee()), fmt.Sprint(baseFee)})
	}
	return all
}
