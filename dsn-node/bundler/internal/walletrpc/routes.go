package walletrpc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"blindseq/dsn-node/bundler/internal/bundling"
	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/peers"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/kit/jsonrpc"

	"github.com/ethereum/go-ethereum/common"
)

// route decides which node a call goes to, or answers it.
func (h *Handler) route(ctx context.Context, c *call) (json.RawMessage, bool) {
	if c.simulates() && (h.to.RefuseSimulations || h.to.Observer == nil) {
		h.count("simulate", "refused")
		return failure(c, h.unsimulated(c)), true
	}
	switch {
	case c.sealed(), h.to.Development && c.tells():
		c.to = h.to.Leader
	case h.to.Observer != nil:
		c.to = h.to.Observer
		return h.lookUp(ctx, c)
	case c.public():
		c.to = h.to.Leader
	default:
		h.count("read", "refused")
		return failure(c, jsonrpc.Error{Code: jsonrpc.Refused, Message: "the method " + c.Method + " is not served here: " + rollup.ErrNoObserver.Error()}), true
	}
	return nil, false
}

func (h *Handler) unsimulated(c *call) jsonrpc.Error {
	why := rollup.ErrNoObserver.Error()
	if h.to.RefuseSimulations {
		why = "its operator has set --simulations=refuse"
	}
	return jsonrpc.Error{Code: jsonrpc.Refused, Message: "the method " + c.Method + " is not served here, because it would show the transaction in plain" +
		" before its place is fixed; set gas and access list yourself, or ask a node of your own for it: " + why}
}

// lookUp prepares a call about what may wait here. It comes before the observer is asked: what leaves here is known there by then.
func (h *Handler) lookUp(ctx context.Context, c *call) (json.RawMessage, bool) {
	if c.Method == methodNonce {
		return h.countPending(ctx, c)
	}
	hash, ok := c.lookedFor()
	if !ok {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, h.limits.Timeout)
	defer cancel()
	found, err := h.intake.Look(ctx, hash, c.Method == methodStatus || c.Method == methodProof)
	switch {
	case err != nil:
		return h.notLooked(ctx, c, err)
	case c.Method == methodStatus || c.Method == methodProof:
		return h.placed(c, found)
	case !found.Waits():
		return nil, false
	case c.Method != methodReceipt:
		return h.showPending(ctx, c, found)
	case !c.alone:
		c.held = &hash
	case h.limits.ReceiptHold > 0:
		c.awaits(hash, h.limits.ReceiptHold)
	}
	return nil, false
}

// notLooked answers a call about a transaction of which it is not known whether it waits. What is in a block is answered all the same,
// and a call for a receipt, as long as there is none.
func (h *Handler) notLooked(ctx context.Context, c *call, err error) (json.RawMessage, bool) {
	hash, _ := c.lookedFor()
	switch {
	case errors.Is(err, outbox.ErrStorage):
		h.log.ErrorContext(ctx, "waiting transaction not read", "hash", hash, "error", err)
		return failure(c, jsonrpc.Error{Code: jsonrpc.Internal, Message: "the bundler cannot read what waits here"}), true
	case !errors.Is(err, peers.ErrAway):
		h.log.DebugContext(ctx, "status of a waiting transaction not found", "hash", hash, "error", err)
		return failure(c, away()), true
	case c.Method != methodReceipt:
		c.mend = func(answer json.RawMessage) json.RawMessage {
			if foundNothing(answer) || statusUnknown(answer) {
				return failure(c, ErrorOf(err))
			}
			return answer
		}
	}
	return nil, false
}

// placed prepares a call about the place of a transaction.
func (h *Handler) placed(c *call, found bundling.Found) (json.RawMessage, bool) {
	waiting := found.At == bundling.Hidden || found.At == bundling.Queued
	switch {
	case waiting && c.Method == methodProof:
		return notProven(c), true
	case found.At == bundling.Queued:
		return result(c, status{"queued", found.Reason}), true
	case found.At == bundling.Hidden:
		c.byID(found.ID)
		c.to = h.to.Leader
	case found.At == bundling.Ended && c.Method == methodStatus:
		c.mend = func(answer json.RawMessage) json.RawMessage {
			if statusUnknown(answer) {
				return result(c, status{"dropped", found.Reason})
			}
			return answer
		}
	}
	return nil, false
}

// lookedFor returns the hash of a call that looks for a transaction, its receipt, its status, or its place.
func (c *call) lookedFor() (common.Hash, bool) {
	var params []common.Hash
	if !slices.Contains([]string{methodLookUp, methodRaw, methodReceipt, methodStatus, methodProof}, c.Method) || json.Unmarshal(c.Params, &params) != nil || len(params) != 1 {
		return common.Hash{}, false
	}
	return params[0], true
}

// sealed says whether a call is about sealed transactions alone: it sends one, or asks about a submitter, who stands in each of
// them.
func (c *call) sealed() bool {
	return c.Method == methodSend || c.Method == methodSync || c.Method == "te_getNextSeq" || c.Method == "te_getSubmitter"
}

// public says whether a method can name neither an account nor a transaction, so that the leader may answer it.
func (c *call) public() bool {
	switch c.Method {
	case "eth_chainId", "net_version", "net_listening", "web3_clientVersion", "eth_blockNumber", "eth_syncing", "eth_gasPrice",
		"eth_maxPriorityFeePerGas", "eth_feeHistory", "eth_blobBaseFee", "eth_getBlockByNumber", "eth_getBlockByHash", "eth_getHeaderByNumber",
		"eth_getHeaderByHash", "eth_getBlockReceipts", "eth_getBlockTransactionCountByNumber", "eth_getBlockTransactionCountByHash",
		"te_getEncryptionKey":
		return true
	}
	return false
}

// leaks says whether a method would carry a plain transaction past the sealing.
func (c *call) leaks() bool {
	return strings.HasPrefix(c.Method, "eth_send") && c.Method != methodSend && c.Method != methodSync || c.Method == "eth_resend" ||
		strings.HasPrefix(c.Method, "personal_") || strings.HasPrefix(c.Method, "mev_") || strings.HasPrefix(c.Method, "engine_")
}

// simulates tells whether a call shows a transaction that is perhaps sent later, with sender, receiver and data.
func (c *call) simulates() bool {
	switch c.Method {
	case "eth_call", "eth_callMany", "eth_callBundle", "eth_estimateGas", "eth_createAccessList", "eth_simulateV1", "eth_fillTransaction",
		"eth_signTransaction", "debug_traceCall", "debug_traceCallMany", "trace_call", "trace_callMany", "trace_rawTransaction":
		return true
	}
	return false
}
