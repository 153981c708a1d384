package httpserver

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"blindseq/kit/budget"
	"blindseq/kit/telemetry"
)

// writeTimeout bounds each write to a client. A client that reads nothing for so long is cut off; a stream has no other limit.
const writeTimeout = 30 * time.Second

// restTimeout is how long a client that was refused may take to send the rest of its body. Its connection is closed then.
const restTimeout = time.Second

// handler is the configured one with its panics caught and its requests recorded.
func (s *Server) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handlers.Add(1)
		defer s.handlers.Done()
		start := time.Now()
		s.cfg.Recorder.Begin(s.cfg.Name)
		out := &writer{ResponseWriter: w, control: http.NewResponseController(w)}
		in := &reader{ReadCloser: r.Body, ended: r.ContentLength == 0}
		if !in.ended {
			r.Body = in
		}
		defer func() {
			if !in.ended { // the server reads the rest before it answers
				_ = out.control.SetReadDeadline(time.Now().Add(restTimeout)) // not supported by a test's recorder
			}
			s.recovered(r, out, recover())
			out.touch()
			s.ended(r, out, time.Since(start))
		}()
		ctx, leave, err := s.cfg.Budget.Enter(r, strings.EqualFold(r.Header.Get("Upgrade"), "websocket"))
		if err != nil {
			RetryAfter(out, err)
			if budget.Unread(r) {
				out.Header().Set("Connection", "close")
			}
			s.cfg.Refuse(out, err)
			return
		}
		defer leave()
		r, end := telemetry.Join(r.WithContext(ctx), s.cfg.Name)
		defer end()
		s.cfg.Handler.ServeHTTP(out, r)
	})
}

// reader notes whether the body of a request was read to its end.
type reader struct {
	io.ReadCloser
	ended bool
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.ended = r.ended || errors.Is(err, io.EOF)
	return n, err
}

// RetryAfter sets the header of a refusal by a budget.
func RetryAfter(w http.ResponseWriter, err error) {
	if refusal := (*budget.Refusal)(nil); errors.As(err, &refusal) {
		w.Header().Set("Retry-After", refusal.RetryAfter())
	}
}

// recovered answers for a handler that panicked. The details go to the operator's log, not to the client.
func (s *Server) recovered(r *http.Request, w *writer, p any) {
	if p == nil {
		return
	}
	if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
		s.cfg.Log.ErrorContext(r.Context(), "handler panicked", "listener", s.cfg.Name, "route", r.Pattern,
			"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	}
	if w.status == 0 {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte(`{"code":13,"message":"internal error; the gateway's log says which"}`)) // the client may have gone
		return
	}
	s.ended(r, w, 0)
	panic(http.ErrAbortHandler) // an answer was begun and cannot be ended: the connection is cut
}

func (s *Server) ended(r *http.Request, w *writer, took time.Duration) {
	if w.recorded {
		return
	}
	w.recorded = true
	route := r.Pattern
	if route == "" {
		route = "none"
	}
	s.cfg.Recorder.End(s.cfg.Name, route, w.code(), took)
	if s.cfg.Log.Enabled(r.Context(), slog.LevelDebug) {
		s.cfg.Log.DebugContext(r.Context(), "request", "listener", s.cfg.Name, "route", route, "method", r.Method,
			"status", w.code(), "bytes", w.bytes, "took", took, "remote", r.RemoteAddr)
	}
}

// writer notes what was answered, and gives each write its deadline.
type writer struct {
	http.ResponseWriter
	control  *http.ResponseController
	status   int
	bytes    int64
	recorded bool
	touched  time.Time
}

// Unwrap lets http.ResponseController and WebSocket upgrades reach the connection.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writer) WriteHeader(status int) {
	if w.status == 0 || w.status < 200 {
		w.status = status
	}
	w.touch()
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.touch()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

func (w *writer) Flush() { _ = w.control.Flush() } // a connection that broke shows at the next write

// touch gives the next write its time, within a second: most answers are one write, and its deadline is set once.
func (w *writer) touch() {
	now := time.Now()
	if now.Sub(w.touched) < time.Second {
		return
	}
	w.touched = now
	_ = w.control.SetWriteDeadline(now.Add(writeTimeout)) // not supported: a recorder of a test, or hijacked
}

func (w *writer) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}
