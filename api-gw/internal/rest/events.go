package rest

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"blindseq/api-gw/internal/gateway"
	"blindseq/api-gw/internal/httpserver"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"google.golang.org/grpc/status"
)

// heartbeat is how often a comment is sent while nothing happens, so that nothing between here and the client takes the connection for
// dead, and a client that has gone is noticed.
const heartbeat = 15 * time.Second

// followTransaction serves the steps of a transaction as server-sent events. It answers at once, so that a client knows that it
// misses nothing of what it sends then.
func followTransaction(server Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hash, err := gateway.ParseHash(r.PathValue("hash"))
		if err != nil {
			writeError(w, err)
			return
		}
		told := gateway.ProgressOf(r.Header.Get("Last-Event-ID"))
		if told.Last() {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		ctx, cancel := httpserver.UntilStop(r.Context())
		defer cancel()
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Accel-Buffering", "no") // nginx would keep the events back
		events := newEvents(w)
		defer events.close()
		err = events.comment()
		if err == nil {
			err = server.Follow(ctx, hash, told, func(step *gatewayv1.TransactionStep) error {
				body, err := marshal.Marshal(step)
				if err != nil {
					return err
				}
				return events.send(fmt.Sprintf("event: %s\nid: %s\ndata: %s\n\n", step.GetStep(), step.GetStep(), body))
			})
		}
		if err != nil {
			events.fail(err)
		}
	})
}

// events writes server-sent events, and comments while there are none.
type events struct {
	mu    sync.Mutex
	w     http.ResponseWriter
	timer *time.Timer // of the next comment
	ended bool
}

func newEvents(w http.ResponseWriter) *events {
	e := &events{w: w}
	e.timer = time.AfterFunc(heartbeat, func() { _ = e.comment() }) // that the client has gone, the handler learns from its context
	return e
}

func (e *events) comment() error { return e.send(":\n\n") }

// send writes text and flushes it.
func (e *events) send(text string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return nil
	}
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	e.timer.Reset(heartbeat)
	return http.NewResponseController(e.w).Flush()
}

// fail says why the events end.
func (e *events) fail(err error) {
	if body, encodeErr := marshal.Marshal(status.Convert(err).Proto()); encodeErr == nil {
		_ = e.send(fmt.Sprintf("event: error\ndata: %s\n\n", body)) // the client may be what has gone
	}
}

// close ends the comments: nothing may be written when the handler has returned.
func (e *events) close() {
	e.timer.Stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = true
}
