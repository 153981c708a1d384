package walletrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"time"

	"blindseq/kit/jsonrpc"
)

// batch answers the calls of a batch in their order: transactions are sent one after the other, as a sender's nonces are
// in order, and after them all other calls are forwarded, those for one node as one batch.
func (h *Handler) batch(ctx context.Context, body []byte) json.RawMessage {
	raws, ok := parseBatch(body)
	switch {
	case !ok:
		return failure(nil, jsonrpc.ErrParse)
	case len(raws) == 0:
		return failure(nil, jsonrpc.ErrEmptyBatch)
	}
	answers := h.answerAll(ctx, raws)
	if len(answers) == 0 { // all were notifications
		return nil
	}
	return jsonrpc.Encode(answers)
}

func (h *Handler) answerAll(ctx context.Context, raws []json.RawMessage) []json.RawMessage {
	calls := make([]*call, len(raws))
	own := make([]json.RawMessage, len(raws))
	var others []*call
	for i, raw := range raws {
		c, ok := parse(raw)
		if !ok {
			own[i] = failure(c, jsonrpc.ErrInvalid)
			continue
		}
		calls[i] = c
		answer, mine := h.own(ctx, c)
		switch {
		case !mine:
			others = append(others, c)
		case !c.notification():
			own[i] = answer
		}
	}
	if len(others) > 0 {
		h.hold(ctx, calls)
	}
	forwarded := map[*call]json.RawMessage{}
	for _, node := range []Forwarder{h.to.Leader, h.to.Observer} {
		maps.Copy(forwarded, h.forwardAll(ctx, node, of(node, others)))
	}
	var answers []json.RawMessage
	for i, c := range calls {
		if own[i] != nil {
			answers = append(answers, own[i])
		} else if answer := forwarded[c]; answer != nil {
			answers = append(answers, answer)
		}
	}
	return answers
}

// hold waits, at most --receipt-hold for all of them, until there are receipts of what a batch sends, and of what waits here and has its
// receipt asked for. The other calls are forwarded after that. So whoever sends and reads in one batch reads the chain with the
// transaction in it: ethers asks for the number of the head with each transaction that it sends, keeps it, and waits for another block,
// for seconds, when the receipt is of a later one. With each receipt it asks for the chain's id.
func (h *Handler) hold(ctx context.Context, calls []*call) {
	if h.to.Observer == nil {
		return
	}
	until := time.Now().Add(h.limits.ReceiptHold)
	for _, c := range calls {
		if left := time.Until(until); c != nil && c.held != nil && !c.notification() && left > 0 {
			h.awaitReceipt(ctx, c, *c.held, left) // a receipt is asked for again with the other calls
		}
	}
}

// of are the calls that go to a node.
func of(node Forwarder, calls []*call) (those []*call) {
	for _, c := range calls {
		if c.to == node {
			those = append(those, c)
		}
	}
	return those
}

// forwardAll forwards calls as one batch and returns the answer of each that has one.
func (h *Handler) forwardAll(ctx context.Context, to Forwarder, calls []*call) map[*call]json.RawMessage {
	if len(calls) == 0 {
		return nil
	}
	raws := make([]json.RawMessage, len(calls))
	for i, c := range calls {
		raws[i] = c.raw
	}
	body, err := h.forward(ctx, to, jsonrpc.Encode(raws))
	var list []json.RawMessage
	if err == nil && len(bytes.TrimSpace(body)) > 0 {
		err = json.Unmarshal(body, &list)
	}
	answers := match(calls, list)
	for _, c := range calls {
		switch {
		case c.notification():
		case answers[c] != nil:
			answers[c] = h.patch(c, answers[c])
		case err != nil: // nothing came, or one error for the whole batch
			answers[c] = failure(c, away())
		default:
			answers[c] = failure(c, unanswered())
		}
	}
	return answers
}

// match gives each call the first answer with its id that no other call has.
func match(calls []*call, list []json.RawMessage) map[*call]json.RawMessage {
	byID := map[string][]json.RawMessage{}
	for _, raw := range list {
		var a answered
		if json.Unmarshal(raw, &a) == nil {
			byID[string(a.ID)] = append(byID[string(a.ID)], raw)
		}
	}
	answers := make(map[*call]json.RawMessage, len(calls))
	for _, c := range calls {
		if waiting := byID[string(c.ID)]; !c.notification() && len(waiting) > 0 {
			answers[c], byID[string(c.ID)] = waiting[0], waiting[1:]
		}
	}
	return answers
}
