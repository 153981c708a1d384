package walletrpc

import (
	"encoding/json"
	"fmt"

	"blindseq/kit/jsonrpc"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// pendingTransaction is a transaction that waits here, as nodes show one that is in no block: what was signed. Only who has the
// transaction knows its hash.
func pendingTransaction(tx *types.Transaction) (map[string]any, error) {
	from, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
	if err != nil {
		return nil, fmt.Errorf("show transaction: %w", err)
	}
	b, err := tx.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("show transaction: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		return nil, fmt.Errorf("show transaction: %w", err)
	}
	for name, value := range fields {
		if value == nil && name != "to" {
			delete(fields, name)
		}
	}
	fields["from"], fields["gasPrice"] = from, (*hexutil.Big)(tx.GasFeeCap())
	for _, place := range []string{"blockHash", "blockNumber", "blockTimestamp", "transactionIndex"} {
		fields[place] = nil
	}
	return fields, nil
}

// showsPending has a call for a transaction answered with the one that waits here, when the node does not know it. It is read
// before the node is asked: what leaves here is known there by then, and asked afterwards, it could be in neither place.
func (h *Handler) showsPending(c *call, hash common.Hash) error {
	tx, err := h.intake.Transaction(hash)
	if err != nil || tx == nil {
		return err
	}
	var found any
	if c.Method == methodRaw {
		var raw hexutil.Bytes
		raw, err = tx.MarshalBinary()
		found = raw
	} else {
		found, err = pendingTransaction(tx)
	}
	c.mend = func(answer json.RawMessage) json.RawMessage {
		if foundNothing(answer) {
			return result(c, found)
		}
		return answer
	}
	return err
}

// countsPending adds to an account's pending nonce what waits here.
func (h *Handler) countsPending(c *call) {
	var params []string
	if json.Unmarshal(c.Params, &params) != nil || len(params) != 2 || params[1] != "pending" || !common.IsHexAddress(params[0]) {
		return
	}
	here := h.intake.Nonces(common.HexToAddress(params[0]))
	if len(here) == 0 {
		return
	}
	c.mend = func(answer json.RawMessage) json.RawMessage {
		var a struct{ Result *hexutil.Uint64 }
		if json.Unmarshal(answer, &a) != nil || a.Result == nil {
			return answer
		}
		return result(c, hexutil.Uint64(here.Next(uint64(*a.Result))))
	}
}

// status is what te_getTransactionStatus says of a transaction that is known here alone.
type status struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// knowsEnd has a call for the status of a transaction that ended here answered with the reason, when the node knows nothing of it.
func (h *Handler) knowsEnd(c *call, hash common.Hash) {
	said, reason, known := h.intake.Why(hash)
	if !known {
		return
	}
	c.mend = func(answer json.RawMessage) json.RawMessage {
		var a struct{ Result status }
		if json.Unmarshal(answer, &a) != nil || a.Result.Status != "unknown" {
			return answer
		}
		return result(c, status{said, reason})
	}
}

// notProven is the answer to a call for the proof of a place that is not fixed.
func notProven(c *call) json.RawMessage {
	return failure(c, jsonrpc.Error{Code: jsonrpc.Refused, Message: "prove order: the transaction's place is not fixed"})
}
