// Package walletrpc is the Ethereum JSON-RPC that plain wallets speak to a bundler. eth_sendRawTransaction is taken by the
// bundler, and what would carry a plain transaction past it in another way is refused.
//
// All else goes to an observer of the bundler's own: a call may name the sender of a transaction, its hash, or what it does,
// before it is sent or while it waits. The rollup's leader gets of wallets' calls those alone that are about sealed transactions.
// A bundler without an observer serves of the others those that can name neither an account nor a transaction
// (public has them), and refuses the rest. See routes.go.
//
// A transaction that waits here is answered by eth_getTransactionByHash as it was signed: libraries compute from its sender and
// nonce, and only who has the transaction knows its hash. A call for its receipt waits a while for its block. Until its place is
// fixed, its te_getTransactionStatus is that of the sealed transaction; of one that ended in no block it says why. The nonces that
// wait here count in eth_getTransactionCount of "pending", as wallets need it: who names an account sees how many transactions of
// it wait.
//
// Over WebSocket the same is served, and subscriptions, which the observer keeps. See socket.go. Those to the steps of a transaction
// that waits here begin with what only the bundler knows. See follow.go.
package walletrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"blindseq/dsn-node/bundler/internal/bundling"
	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/kit/budget"
	"blindseq/kit/jsonrpc"
	"blindseq/kit/retry"

	"github.com/ethereum/go-ethereum/common"
)

// Intake takes the transactions.
type Intake interface {
	Send(ctx context.Context, raw []byte) (common.Hash, error)
	// Look says where a transaction is, and with placed whether the place of a sealed one is fixed.
	Look(ctx context.Context, hash common.Hash, placed bool) (bundling.Found, error)
	// NextNonce is the first nonce of an account that neither a block uses nor what waits.
	NextNonce(ctx context.Context, account common.Address) (uint64, error)
	// AwaitEnd waits until a transaction has ended without being executed, and says why. Its error is that ctx has ended.
	AwaitEnd(ctx context.Context, hash common.Hash) (reason string, err error)
	// Standing says how far a transaction is, and Watch what tells of changes of it until forget is called.
	Standing(hash common.Hash) outbox.Standing
	Watch(hash common.Hash) (changed func() <-chan struct{}, forget func())
}

// Forwarder sends a request to a node as it is.
type Forwarder interface {
	Forward(ctx context.Context, body []byte) (*http.Response, error)
}

// Backends are where requests go.
type Backends struct {
	Leader   Forwarder
	Observer Forwarder // nil for none
	// Subscriber keeps the subscriptions of clients over WebSocket; nil for none.
	Subscriber Subscriber
	// RefuseSimulations has nobody simulate a transaction, not even the observer.
	RefuseSimulations bool
	// Development has the observer sign for the funded accounts of a development chain, and the leader do what tools tell it.
	Development bool
}

// Limits of requests.
type Limits struct {
	Body    int64
	Batch   int
	Timeout time.Duration // of what is forwarded
	// ReceiptHold is how long a call for the receipt of what waits here waits for its block; 0 for not at all.
	ReceiptHold time.Duration
}

// observerHold is how long a request waits for an observer that is not there.
const observerHold = 10 * time.Second

// maxAnswer bounds an answer that is looked into.
const maxAnswer = 64 << 20

// Handler serves JSON-RPC.
type Handler struct {
	intake Intake
	to     Backends
	limits Limits
	count  func(method, result string)
	log    *slog.Logger

	signing sync.Mutex // of the observer: a nonce is used before the next is looked up
}

// NewHandler makes a handler. count is called for each transaction sent, each other call refused and each request forwarded.
func NewHandler(d Intake, u Backends, l Limits, count func(kind, result string), log *slog.Logger) *Handler {
	return &Handler{intake: d, to: u, limits: l, count: count, log: log}
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := h.read(w, r)
	if errors.Is(err, budget.ErrExceeded) {
		w.Header().Set("Connection", "close") // it is not read
		exceeded(w, nil, err)
		return
	} else if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, jsonrpc.InvalidRequest, fmt.Sprintf("request body is too large: at most %d bytes are allowed", h.limits.Body))
		return
	}
	answer, err := h.answer(r.Context(), body)
	if err != nil {
		exceeded(w, body, err)
		return
	}
	jsonrpc.Write(w, http.StatusOK, answer)
}

// answer answers a message. Its error says that the client's budget is used up.
func (h *Handler) answer(ctx context.Context, body []byte) (answer json.RawMessage, err error) {
	body = bytes.TrimSpace(body)
	if jsonrpc.TooMany(body, h.limits.Batch) {
		return jsonrpc.Long(body, h.limits.Batch), nil
	}
	if err := budget.Charge(ctx, body); err != nil {
		return nil, err
	}
	if len(body) > 0 && body[0] == '[' {
		return h.batch(ctx, body), nil
	}
	return h.single(ctx, body), nil
}

// read reads the body of a request. The bytes count as the client's until the request ends.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if err := budget.Announced(r.Context(), r.ContentLength); err != nil {
		return nil, err
	}
	return io.ReadAll(budget.Reader(r.Context(), http.MaxBytesReader(w, r.Body, h.limits.Body)))
}

func (h *Handler) single(ctx context.Context, body []byte) json.RawMessage {
	c, ok := parse(body)
	switch {
	case !ok && !json.Valid(body):
		return failure(nil, jsonrpc.ErrParse)
	case !ok:
		return failure(c, jsonrpc.ErrInvalid)
	}
	c.alone = true
	answer, mine := h.own(ctx, c)
	if !mine {
		answer = h.forwardOne(ctx, c)
	}
	if c.notification() {
		return nil
	}
	return answer
}

// own answers a call that the bundler answers itself.
func (h *Handler) own(ctx context.Context, c *call) (json.RawMessage, bool) {
	if h.to.Development && c.Method == methodFor && !c.notification() {
		return h.sendFor(ctx, c), true
	}
	if c.leaks() && !(h.to.Development && c.signs()) {
		h.count("send", "refused")
		return failure(c, jsonrpc.Error{Code: jsonrpc.UnknownMethod, Message: "the method " + c.Method + " is not served here: it could send a transaction in plain; use " + methodSend}), true
	}
	sent, mine, bad := c.send()
	switch {
	case !mine:
		return h.route(ctx, c)
	case bad != nil:
		h.count("send", "refused")
		return failure(c, *bad), true
	}
	hash, err := h.intake.Send(ctx, sent.raw)
	if err != nil {
		h.count("send", "refused")
		h.log.DebugContext(ctx, "transaction not taken", "hash", sent, "error", err)
		return failure(c, ErrorOf(err)), true
	}
	h.count("send", "taken")
	if sent.wait > 0 && !c.notification() {
		return h.awaitReceipt(ctx, c, hash, sent.wait), true
	}
	c.held = &hash
	return result(c, hash), true
}

// forwardOne forwards one call and makes what waits here part of its answer.
func (h *Handler) forwardOne(ctx context.Context, c *call) json.RawMessage {
	answer, err := h.ask(ctx, c)
	if err != nil {
		return failure(c, away())
	}
	if len(answer) == 0 {
		return failure(c, unanswered())
	}
	return h.patch(c, answer)
}

// ask forwards one call.
func (h *Handler) ask(ctx context.Context, c *call) (json.RawMessage, error) {
	answer, err := h.forward(ctx, c.to, c.raw)
	if err == nil && c.plain != nil && unknownMethod(answer) { // an observer of an earlier version
		answer, err = h.forward(ctx, c.to, c.plain)
	}
	return answer, err
}

func (h *Handler) patch(c *call, answer json.RawMessage) json.RawMessage {
	if c.mend != nil {
		return c.mend(answer)
	}
	return answer
}

// forward returns the answer of a node, which is JSON or nothing.
func (h *Handler) forward(ctx context.Context, to Forwarder, body []byte) (answer json.RawMessage, err error) {
	defer func() {
		if err != nil {
			h.count("forward", "failed")
			h.log.DebugContext(ctx, "request not forwarded", "error", err)
		} else {
			h.count("forward", "answered")
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, h.limits.Timeout)
	defer cancel()
	res, err := reach(ctx, to, body)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() // only read
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read answer: %w", err)
	case len(b) > maxAnswer:
		return nil, fmt.Errorf("read answer: over %d bytes", maxAnswer)
	case len(bytes.TrimSpace(b)) == 0 && res.StatusCode < 300: // to notifications
		return nil, nil
	case !json.Valid(b):
		return nil, fmt.Errorf("read answer: not JSON, HTTP status %d", res.StatusCode)
	}
	return b, nil
}

// reach forwards a request, and again for a while when the observer is not there: it is being replaced, or another one is about to
// answer in its place. What goes to it only reads.
func reach(ctx context.Context, to Forwarder, body []byte) (*http.Response, error) {
	hold, cancel := context.WithTimeout(ctx, observerHold)
	defer cancel()
	pause := retry.Policy{First: 20 * time.Millisecond, Longest: time.Second}.New()
	for {
		res, err := to.Forward(ctx, body)
		if err == nil || !errors.Is(err, rollup.ErrObserver) || pause.Wait(hold) != nil {
			return res, err
		}
	}
}

// away is the answer to what could not be forwarded; the reason is the operator's to know.
func away() jsonrpc.Error {
	return jsonrpc.Error{Code: jsonrpc.Unavailable, Message: "the rollup does not answer; try again"}
}

func unanswered() jsonrpc.Error {
	return jsonrpc.Error{Code: jsonrpc.Internal, Message: "the rollup did not answer this call"}
}

func refuse(w http.ResponseWriter, status, code int, message string) {
	jsonrpc.Write(w, status, failure(nil, jsonrpc.Error{Code: code, Message: message}))
}
