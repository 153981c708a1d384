package chain

import (
	"blindseq/producer-svc/internal/admission"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Fates says what became of the transactions that an applied block opened.
func (c *Chain) Fates(number uint64, opened []Sealed) []admission.Outcome {
	ran := map[common.Hash]*types.Transaction{}
	if block := c.bc.GetBlockByNumber(number); block != nil {
		txs := block.Transactions()
		for _, tx := range txs[:min(len(txs), len(opened))] { // what was opened ran first
			ran[tx.Hash()] = tx
		}
	}
	outcomes := make([]admission.Outcome, len(opened))
	for i := range opened {
		hash := HashTransaction(opened[i].Raw)
		outcomes[i] = c.fate(&opened[i], ran[hash])
		delete(ran, hash) // the same transaction sealed again did not run
	}
	return outcomes
}

// fate is that of one transaction; ran is what the block executed of it.
func (c *Chain) fate(one *Sealed, ran *types.Transaction) admission.Outcome {
	if ran != nil {
		if sender, err := types.Sender(c.signer, ran); one.Relay || err == nil && sender == one.Submitter {
			return admission.Executed
		}
		return admission.Carried
	}
	tx, err := c.decode(one.Raw)
	if err != nil || len(one.Raw) > maxTxBytes || one.check(tx) != nil {
		return admission.Garbage
	}
	return admission.Ended
}
