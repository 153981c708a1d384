package walletrpc

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"blindseq/kit/jsonrpc"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// On a development chain, the observer signs for the funded accounts, whose keys everybody knows, and the leader makes blocks and moves
// the clock. What the observer signs is sealed as any other transaction.

// methodFor sends a transaction of an account of the node's.
const methodFor = "eth_sendTransaction"

// signs says whether a method signs for an account of the node's, or lists them.
func (c *call) signs() bool {
	return slices.Contains([]string{
		"eth_accounts", "eth_requestAccounts", "eth_sign", "eth_signTransaction", "eth_signTypedData", "eth_signTypedData_v4", "personal_sign",
	}, c.Method)
}

// tells says whether a method tells a development chain what to do.
func (c *call) tells() bool {
	return strings.HasPrefix(c.Method, "evm_") || strings.HasPrefix(c.Method, "hardhat_") || strings.HasPrefix(c.Method, "anvil_")
}

// sendFor has the observer sign a transaction, and takes it. It answers when the transaction is in its block, or after a while.
func (h *Handler) sendFor(ctx context.Context, c *call) json.RawMessage {
	hash, refused := h.signFor(ctx, c)
	if refused != nil {
		h.count("send", "refused")
		return refused
	}
	h.count("send", "taken")
	if h.limits.ReceiptHold > 0 && !c.notification() {
		h.awaitReceipt(ctx, c, hash, h.limits.ReceiptHold)
	}
	return result(c, hash)
}

func (h *Handler) signFor(ctx context.Context, c *call) (hash common.Hash, refused json.RawMessage) {
	h.signing.Lock()
	defer h.signing.Unlock()
	var params []map[string]json.RawMessage
	if json.Unmarshal(c.Params, &params) != nil || len(params) != 1 || params[0] == nil {
		return hash, failure(c, jsonrpc.Error{Code: jsonrpc.InvalidParams, Message: "params must be one transaction"})
	}
	tx := params[0]
	if nonce := tx["nonce"]; len(nonce) == 0 || string(nonce) == "null" {
		if tx["nonce"], refused = h.nextNonce(ctx, c, tx["from"]); refused != nil {
			return hash, refused
		}
	}
	said, err := h.forward(ctx, h.to.Observer, c.encode("eth_signTransaction", params))
	if err != nil {
		return hash, failure(c, away())
	}
	var signed struct {
		Result *struct{ Raw hexutil.Bytes }
	}
	if json.Unmarshal(said, &signed) != nil || signed.Result == nil {
		return hash, said
	}
	if hash, err = h.intake.Send(ctx, signed.Result.Raw); err != nil {
		return hash, failure(c, ErrorOf(err))
	}
	return hash, nil
}

// nextNonce is that after what waits here.
func (h *Handler) nextNonce(ctx context.Context, c *call, from json.RawMessage) (nonce, refused json.RawMessage) {
	ask := c.encode(methodNonce, []any{from, "pending"})
	counted := h.single(ctx, ask)
	var next answered
	if json.Unmarshal(counted, &next) != nil || len(next.Error) > 0 {
		return nil, counted
	}
	return next.Result, nil
}
