// Package originhttp speaks the HTTP protocol of the DSN node that blindseq is compatible with:
//
//	POST /proposal           one JSON object; 200 null, 400 Bad request, 500 Internal server error
//	GET  /monitor/preblocks  200, chunked: the preblocks fixed from now on, one JSON object in one chunk each
//	anything else            404 not found
//
// A request without the token, or from a web page, is answered with 403 and changes nothing.
//
// It guarantees exactly these statuses and bodies. What was wrong is said in the header Blindseq-Error, which clients
// of the origin do not look at. The protocol has no request ids and no resuming from a number: both are in gRPC only.
package originhttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"blindseq/dsn-node/sequencer/internal/core"
	"blindseq/kit/auth"
	"blindseq/kit/content"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/rules"
)

const (
	errorHeader = "Blindseq-Error"
	maxReason   = 300              // bytes
	readTimeout = 10 * time.Second // for the body of a proposal
	lagTimeout  = 30 * time.Second // a subscriber that takes nothing for so long is cut off
)

// Core is what the protocol is spoken over.
type Core interface {
	Submit(ctx context.Context, p core.Proposal) (core.Answer, error)
	SubscribeNew() (*core.Subscription, error)
}

type handler struct {
	core     Core
	policy   auth.Policy
	refused  func()
	maxBody  int64
	log      *slog.Logger
	stopping context.Context // ends streams
}

// bodyLimit is the largest body a proposal within the content limit can need: the worst is one-byte transactions,
// five bytes of JSON each.
func bodyLimit(maxContentBytes int) int64 { return 5*int64(maxContentBytes) + 64<<10 }

// ServeHTTP matches method and path exactly, as the origin does; a ServeMux would clean paths and redirect.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.policy.CheckHTTP(r); err != nil {
		h.refused()
		h.refuse(w, r, http.StatusForbidden, err)
		return
	}
	switch r.Method + " " + r.URL.EscapedPath() {
	case "POST /proposal":
		h.proposal(w, r)
	case "GET /monitor/preblocks":
		h.preblocks(w, r)
	default:
		answer(w, http.StatusNotFound, "not found")
	}
}

// answer writes a body without a Content-Type: clients of the origin refuse one they did not ask for.
func answer(w http.ResponseWriter, code int, body string) {
	w.Header()["Content-Type"] = nil
	w.WriteHeader(code)
	_, _ = io.WriteString(w, body) // the client has gone: nothing to do
}

func (h *handler) refuse(w http.ResponseWriter, r *http.Request, code int, err error) {
	reason := reason(err)
	h.log.DebugContext(r.Context(), "request refused", "path", r.URL.Path, "status", code, "error", reason)
	w.Header().Set(errorHeader, reason)
	body := map[int]string{http.StatusForbidden: "Forbidden", http.StatusBadRequest: "Bad request", http.StatusInternalServerError: "Internal server error"}
	answer(w, code, body[code])
}

// reason is the text of an error as a header can carry it: errors quote what came from outside, of any length.
func reason(err error) string {
	text := err.Error()
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text[:min(len(text), maxReason)])
}

func (h *handler) proposal(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTimeout)) // every net/http connection has it
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.maxBody))
	if err != nil {
		h.refuse(w, r, http.StatusBadRequest, fmt.Errorf("read proposal: %w", err))
		return
	}
	c, err := decode(body)
	if err != nil {
		h.refuse(w, r, http.StatusBadRequest, fmt.Errorf("decode proposal: %w", err))
		return
	}
	a, err := h.core.Submit(r.Context(), core.Proposal{Content: c})
	switch {
	case errors.Is(err, content.ErrMalformed), errors.Is(err, content.ErrTooLarge), errors.Is(err, rules.ErrContent):
		h.refuse(w, r, http.StatusBadRequest, err)
	case err != nil:
		h.refuse(w, r, http.StatusInternalServerError, err)
	case a.Verdict == core.Conflicting:
		// gRPC answers with what was accepted; here there is no room for it, and null would say that this content was.
		h.refuse(w, r, http.StatusInternalServerError, fmt.Errorf("submit proposal %d: the number is accepted with another content, hash 0x%x", c.GetNumber(), a.ContentHash))
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "null") // the client has gone: it will send the proposal again
	}
}

func (h *handler) preblocks(w http.ResponseWriter, r *http.Request) {
	sub, err := h.core.SubscribeNew()
	if err != nil {
		h.refuse(w, r, http.StatusInternalServerError, err)
		return
	}
	defer sub.Close()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(h.stopping, cancel)()

	w.Header().Set("Content-Type", "application/json")
	rc := http.NewResponseController(w)
	if err := rc.Flush(); err != nil { // the client now knows that it misses nothing from here on
		return
	}
	for {
		p, err := sub.Next(ctx)
		if err == nil {
			err = send(w, rc, p)
		}
		if err != nil {
			h.log.DebugContext(ctx, "stream of preblocks ended", "error", err)
			return
		}
	}
}

// send writes one object as one chunk.
func send(w io.Writer, rc *http.ResponseController, p *preblockv1.Preblock) error {
	object, err := encode(p.GetContent())
	if err != nil {
		return fmt.Errorf("encode preblock %d: %w", p.GetContent().GetNumber(), err)
	}
	if err := rc.SetWriteDeadline(time.Now().Add(lagTimeout)); err != nil {
		return fmt.Errorf("send preblock %d: %w", p.GetContent().GetNumber(), err)
	}
	if _, err := w.Write(object); err != nil {
		return fmt.Errorf("send preblock %d: %w", p.GetContent().GetNumber(), err)
	}
	return rc.Flush()
}
