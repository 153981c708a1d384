// Package private serves the JSON-RPC method produceBlock on /private, in the form that the origin's
// tools use (the result is the number of transactions, "0x2"), single and in batches. The policy passed to New decides who
// may call. Web pages get no CORS header here.
package private

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"blindseq/api-gw/internal/httpserver"
	"blindseq/kit/auth"
	"blindseq/kit/budget"
	"blindseq/kit/jsonrpc"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	bodyLimit  = 1 << 20
	batchLimit = 100
)

// Producer makes blocks: GatewayService's call, with the idempotency key as incoming metadata.
type Producer interface {
	ProduceBlock(context.Context, *gatewayv1.ProduceBlockRequest) (*gatewayv1.ProduceBlockResponse, error)
}

// Handler serves /private.
type Handler struct {
	producer Producer
	policy   auth.Policy
}

// New returns a handler that calls producer for whom policy lets.
func New(producer Producer, policy auth.Policy) *Handler { return &Handler{producer, policy} }

// ServeHTTP answers a request or a batch. The calls of a batch are made one after the other, in its order.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch err := h.policy.CheckHTTP(r); {
	case errors.Is(err, auth.ErrMissing):
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, http.StatusUnauthorized, jsonrpc.Unauthorized, err.Error())
		return
	case err != nil:
		refuse(w, http.StatusForbidden, jsonrpc.Unauthorized, err.Error())
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		refuse(w, http.StatusMethodNotAllowed, jsonrpc.InvalidRequest, "JSON-RPC needs a POST, got "+r.Method)
		return
	case !jsonrpc.IsJSON(r.Header):
		refuse(w, http.StatusUnsupportedMediaType, jsonrpc.InvalidRequest, "the Content-Type must be application/json")
		return
	}
	var body bytes.Buffer
	if err := httpserver.Body(w, r, bodyLimit, &body); errors.Is(err, budget.ErrExceeded) {
		refuse(w, http.StatusTooManyRequests, jsonrpc.LimitExceeded, err.Error())
		return
	} else if err != nil {
		refuse(w, httpserver.BodyStatus(err), jsonrpc.InvalidRequest, err.Error())
		return
	}
	h.serve(w, r, bytes.TrimSpace(body.Bytes()))
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	keys := r.Header.Values("Idempotency-Key")
	if len(body) == 0 || body[0] != '[' {
		if answer := h.call(withKeys(r.Context(), keys), body); answer != nil {
			write(w, answer)
		}
		return
	}
	var batch []json.RawMessage
	switch err := json.Unmarshal(body, &batch); {
	case err != nil:
		refuse(w, http.StatusOK, jsonrpc.Malformed, "malformed JSON: "+err.Error())
		return
	case len(batch) == 0:
		refuse(w, http.StatusOK, jsonrpc.InvalidRequest, "the batch is empty")
		return
	case len(batch) > batchLimit:
		refuse(w, http.StatusOK, jsonrpc.LimitExceeded, fmt.Sprintf("the batch has %d requests, at most %d are allowed", len(batch), batchLimit))
		return
	case len(keys) > 0:
		refuse(w, http.StatusOK, jsonrpc.InvalidRequest, "an Idempotency-Key works for a single request, not for a batch")
		return
	}
	var answers []*jsonrpc.Response
	for _, one := range batch {
		if answer := h.call(r.Context(), one); answer != nil {
			answers = append(answers, answer)
		}
	}
	if answers != nil { // of notifications alone nothing is said
		write(w, answers)
	}
}

func withKeys(ctx context.Context, keys []string) context.Context {
	return metadata.NewIncomingContext(ctx, metadata.MD{"idempotency-key": keys})
}

// call serves one request; nil is the answer to a notification.
func (h *Handler) call(ctx context.Context, raw json.RawMessage) *jsonrpc.Response {
	var req struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Method  string          `json:"method"`
		Params  json.RawMessage `json:"params"`
	}
	answer := &jsonrpc.Response{Version: "2.0", ID: json.RawMessage("null")}
	if err := json.Unmarshal(raw, &req); err != nil {
		answer.Error = &jsonrpc.Error{Code: jsonrpc.Malformed, Message: "malformed JSON: " + err.Error()}
		if json.Valid(raw) {
			answer.Error = &jsonrpc.Error{Code: jsonrpc.InvalidRequest, Message: "not a JSON-RPC request: " + err.Error()}
		}
		return answer
	}
	notification := len(req.ID) == 0
	switch {
	case !notification && !jsonrpc.ValidID(req.ID):
		answer.Error = &jsonrpc.Error{Code: jsonrpc.InvalidRequest, Message: "id must be a string, a number or null"}
		return answer
	case req.Version != "2.0":
		answer.Error = &jsonrpc.Error{Code: jsonrpc.InvalidRequest, Message: `jsonrpc must be "2.0"`}
	case req.Method == "":
		answer.Error = &jsonrpc.Error{Code: jsonrpc.InvalidRequest, Message: "the method is missing"}
	case req.Method != "produceBlock":
		answer.Error = &jsonrpc.Error{Code: jsonrpc.UnknownMethod, Message: fmt.Sprintf("method %.60q is not known here; produceBlock is", req.Method)}
	default:
		answer.Result, answer.Error = h.produceBlock(ctx, req.Params)
	}
	if notification {
		return nil
	}
	answer.ID = req.ID
	return answer
}

func (h *Handler) produceBlock(ctx context.Context, params json.RawMessage) (any, *jsonrpc.Error) {
	req, err := DecodeParams(params)
	if err != nil {
		return nil, &jsonrpc.Error{Code: jsonrpc.InvalidParams, Message: err.Error()}
	}
	res, err := h.producer.ProduceBlock(ctx, req)
	if err != nil {
		return nil, asError(err)
	}
	if no := res.GetNoBlock(); no != nil {
		return nil, &jsonrpc.Error{
			Code: jsonrpc.Refused, Message: "no block was made: " + no.Reason,
			Data: map[string]string{"reason": no.Reason, "request_id": res.RequestId},
		}
	}
	return fmt.Sprintf("0x%x", res.GetBlock().GetTransactions()), nil
}

func asError(err error) *jsonrpc.Error {
	s := status.Convert(err)
	code := jsonrpc.Internal
	switch s.Code() {
	case codes.InvalidArgument:
		code = jsonrpc.InvalidParams
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		code = jsonrpc.Unavailable
	case codes.ResourceExhausted:
		code = jsonrpc.LimitExceeded
	}
	return &jsonrpc.Error{Code: code, Message: s.Message(), Data: map[string]string{"status": s.Code().String()}}
}

func refuse(w http.ResponseWriter, httpStatus, code int, message string) {
	jsonrpc.Write(w, httpStatus, jsonrpc.Reply(nil, jsonrpc.Error{Code: code, Message: message}))
}

func write(w http.ResponseWriter, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		refuse(w, http.StatusInternalServerError, jsonrpc.Internal, "encode answer: "+err.Error())
		return
	}
	jsonrpc.Write(w, http.StatusOK, body)
}
