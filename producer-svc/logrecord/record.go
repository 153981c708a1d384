package logrecord

import (
	"fmt"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// Delayed finds delayed transactions by hash.
type Delayed interface {
	Raw(hash content.Hash) (raw []byte, ok bool, err error)
}

// Of makes the log record of a preblock, without token and holder. Delayed transactions are in a preblock by hash
// only; the record holds their bytes, so that from here on everyone executes the same. One that is not known here is not
// skipped but ErrUnknownDelayed: another producer may have executed it, and then skipping it would be a fork.
func Of(p *preblockv1.Preblock, delayed Delayed) (*blueprintv1.LogRecord, error) {
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
