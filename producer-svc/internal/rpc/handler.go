package rpc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"blindseq/kit/jsonrpc"
	"blindseq/kit/roles"
	"blindseq/kit/telemetry"
)

const contentType = "application/json"

// guarded is the handler for those who may ask.
func (s *Server) guarded() http.Handler {
	if s.cfg.Guard == nil {
		return s.handler()
	}
	return s.cfg.Guard(func(r *http.Request) string {
		if isFeed(r) {
			return roles.ProducerFeed
		}
		return roles.ProducerRPC
	}, s.handler())
}

func isFeed(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/evm/") }

// handler serves "/" and "/ws". A WebSocket is taken on both; the origin of a browser's page does not matter, since
// nothing here acts with rights that a page would not have.
func (s *Server) handler() http.Handler {
	websocket := s.rpc.WebsocketHandler([]string{"*"})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.cfg.Feed != nil && isFeed(r):
			s.cfg.Feed.ServeHTTP(w, r)
		case r.URL.Path != "/" && r.URL.Path != "/ws":
			http.NotFound(w, r)
		case isWebSocket(r):
			websocket.ServeHTTP(w, r)
		case r.Method == http.MethodPost:
			r, end := telemetry.Join(r, "json-rpc")
			defer end()
			s.post(w, r)
		default:
			s.rpc.ServeHTTP(w, r)
		}
	})
}

// post reads the whole body, because a batch of transactions is handled as one.
func (s *Server) post(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Count != nil {
		s.cfg.Count()
	}
	if s.cfg.Head != nil {
		w = &headed{ResponseWriter: w, head: s.cfg.Head, before: s.cfg.Head()}
	}
	body, err := readBody(w, r, s.cfg.Limits.BodyBytes)
	if err != nil {
		refuse(w, err)
		return
	}
	if answer, ok := s.bulk.serve(r, body); ok {
		w.Header().Set("Content-Type", contentType)
		w.Write(answer) //nolint:errcheck // the client is gone
		return
	}
	if answer, ok := s.number(r, body); ok {
		jsonrpc.Write(w, http.StatusOK, answer)
		return
	}
	ctx, patience := withPatience(r.Context(), s.cfg.ReceiptHold)
	r = r.WithContext(ctx)
	s.sendFirst(r, patience, body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	s.rpc.ServeHTTP(w, r)
}

// headHeader says which blocks an answer may have seen: the number of the head before the request and that after it.
const headHeader = "Blindseq-Head"

// headed puts headHeader on an answer when it begins to be written.
type headed struct {
	http.ResponseWriter
	head    func() uint64
	before  uint64
	written bool
}

func (h *headed) WriteHeader(status int) {
	if !h.written {
		h.written = true
		h.Header().Set(headHeader, fmt.Sprintf("%d-%d", h.before, h.head()))
	}
	h.ResponseWriter.WriteHeader(status)
}

func (h *headed) Write(b []byte) (int, error) {
	if !h.written {
		h.WriteHeader(http.StatusOK)
	}
	return h.ResponseWriter.Write(b)
}

// Unwrap lets the server flush and set deadlines.
func (h *headed) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// Flush is for geth, which does not unwrap.
func (h *headed) Flush() {
	if f, ok := h.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

func readBody(w http.ResponseWriter, r *http.Request, limit int) ([]byte, error) {
	size := r.ContentLength
	if size > int64(limit) {
		return nil, &http.MaxBytesError{Limit: int64(limit)}
	}
	buffer := bytes.NewBuffer(make([]byte, 0, max(size, 0)+bytes.MinRead))
	_, err := buffer.ReadFrom(http.MaxBytesReader(w, r.Body, int64(limit)))
	return buffer.Bytes(), err
}

func refuse(w http.ResponseWriter, err error) {
	status, code, message := http.StatusBadRequest, jsonrpc.Malformed, "request body could not be read"
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		status, code = http.StatusRequestEntityTooLarge, jsonrpc.InvalidRequest
		message = fmt.Sprintf("request body is larger than %d bytes", tooLarge.Limit)
	}
	jsonrpc.Write(w, status, jsonrpc.Failure(nil, jsonrpc.Error{Code: code, Message: message}))
}

func isWebSocket(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket") &&
		strings.Contains(strings.ToLower(r.Header.Get("Connection")), "upgrade")
}
