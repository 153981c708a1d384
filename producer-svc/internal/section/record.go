package section

import (
	"fmt"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// RecordOf makes the log record of a preblock. Delayed transactions are in a preblock by hash only; the record holds
// their bytes, so that from here on everyone executes the same. One that is not known here is not skipped: another
// producer may have executed it, and then skipping it would be a fork.
func RecordOf(e Append, known Delayed) (*blueprintv1.LogRecord, error) {
	c := e.Preblock.GetContent()
	txs, bundles, err := opened(e.Preblock)
	if err != nil {
		return nil, err
	}
	rec := &blueprintv1.LogRecord{
		Number:       c.GetNumber(),
		ParentHash:   c.GetPreviousBlockHash(),
		Timestamp:    c.GetTimestamp(),
		Transactions: txs,
		Bundles:      bundles,
		RequestId:    e.Preblock.GetRequestId(),
		ContentHash:  e.Preblock.GetContentHash(),
		Token:        e.Token,
		Holder:       e.Holder,
	}
	for _, h := range c.GetDelayedTransactionHashes() {
		raw, ok, err := known.Raw(content.Hash(h))
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
