package walletrpc

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"blindseq/dsn-node/bundler/internal/bundling"
	"blindseq/kit/jsonrpc"
	"blindseq/kit/retry"

	"github.com/ethereum/go-ethereum/common"
)

// How long eth_sendRawTransactionSync waits when its client says nothing, and at most.
const (
	syncTimeoutDefault = 20 * time.Second
	syncTimeoutMax     = time.Minute
)

// codeNotYet is the error code of EIP-7966 for a transaction that is kept and in no block yet.
const codeNotYet = 4

// awaitReceipt answers a call that sent a transaction with its receipt, or with why it is in no block.
func (h *Handler) awaitReceipt(ctx context.Context, c *call, hash common.Hash, wait time.Duration) json.RawMessage {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	receipts, reasons := make(chan json.RawMessage, 1), make(chan string, 1)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	asking.Go(func() { receipts <- h.receipt(waiting, c, hash) })
	asking.Go(func() {
		if reason, err := h.intake.AwaitEnd(waiting, hash); err == nil {
			reasons <- reason
		}
	})
	select {
	case reason := <-reasons:
		return failure(c, jsonrpc.Error{Code: jsonrpc.Refused, Message: "the transaction ended without being executed: " + reason, Data: hash})
	case answer := <-receipts:
		if answer != nil {
			return answer
		}
		return h.notYet(ctx, c, hash, wait)
	}
}

func (h *Handler) notYet(ctx context.Context, c *call, hash common.Hash, wait time.Duration) json.RawMessage {
	message := fmt.Sprintf("The transaction was added to the transaction pool but wasn't processed in %v", wait)
	if found, err := h.intake.Look(ctx, hash, false); err == nil && found.At == bundling.Queued && found.Reason != "" {
		message += ": it " + found.Reason
	}
	return failure(c, jsonrpc.Error{Code: codeNotYet, Message: message, Data: hash})
}

// receipt asks the observer for a receipt until it has one; nil when ctx ends before. The observer answers when there is one, or
// after a time; one that answers at once, of an earlier version or with a --receipt-hold of 0, is asked with pauses.
func (h *Handler) receipt(ctx context.Context, c *call, hash common.Hash) json.RawMessage {
	pause := retry.Policy{First: 20 * time.Millisecond, Longest: 500 * time.Millisecond}.New()
	for ctx.Err() == nil {
		began := time.Now()
		ask := &call{ID: c.ID, Method: methodReceipt, Params: jsonrpc.Encode([]common.Hash{hash}), to: h.to.Observer}
		ask.raw = ask.encode(ask.Method, ask.Params)
		ask.awaits(hash, time.Second)
		answer, err := h.ask(ctx, ask)
		if err == nil && len(answer) > 0 && !foundNothing(answer) && !failed(answer) {
			return answer
		}
		if time.Since(began) < 500*time.Millisecond && pause.Wait(ctx) != nil {
			return nil
		}
	}
	return nil
}

// failed tells whether an answer is an error.
func failed(answer json.RawMessage) bool {
	var a answered
	return json.Unmarshal(answer, &a) != nil || len(a.Error) > 0
}
