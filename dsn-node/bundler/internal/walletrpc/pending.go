package walletrpc

import (
	"context"
	"encoding/json"
	"fmt"

	"blindseq/dsn-node/bundler/internal/bundling"
	"blindseq/dsn-node/bundler/internal/outbox"
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

// showPending has a call for a transaction answered with the one that waits, when the node does not know it.
func (h *Handler) showPending(ctx context.Context, c *call, waiting bundling.Found) (json.RawMessage, bool) {
	tx := new(types.Transaction)
	err := tx.UnmarshalBinary(waiting.Raw)
	var shown any = hexutil.Bytes(waiting.Raw)
	if err == nil && c.Method != methodRaw {
		shown, err = pendingTransaction(tx)
	}
	if err != nil {
		return h.notLooked(ctx, c, fmt.Errorf("%w: %w", outbox.ErrStorage, err))
	}
	c.mend = func(answer json.RawMessage) json.RawMessage {
		if foundNothing(answer) {
			return result(c, shown)
		}
		return answer
	}
	return nil, false
}

// countPending answers with an account's pending nonce, which counts what waits.
func (h *Handler) countPending(ctx context.Context, c *call) (json.RawMessage, bool) {
	var params []string
	if json.Unmarshal(c.Params, &params) != nil || len(params) != 2 || params[1] != "pending" || !common.IsHexAddress(params[0]) {
		return nil, false
	}
	next, err := h.intake.NextNonce(ctx, common.HexToAddress(params[0]))
	if err != nil {
		h.log.DebugContext(ctx, "pending nonce not found", "error", err)
		return failure(c, ErrorOf(err)), true
	}
	return result(c, hexutil.Uint64(next)), true
}

// status is what te_getTransactionStatus says of a transaction that is known here alone.
type status struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// statusUnknown tells whether a node answers that it knows nothing of a transaction.
func statusUnknown(answer json.RawMessage) bool {
	var a struct{ Result status }
	return json.Unmarshal(answer, &a) == nil && a.Result.Status == "unknown"
}

// notProven is the answer to a call for the proof of a place that is not fixed.
func notProven(c *call) json.RawMessage {
	return failure(c, jsonrpc.Error{Code: jsonrpc.Refused, Message: "prove order: the transaction's place is not fixed"})
}
