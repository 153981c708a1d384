package ops

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"blindseq/kit/config"
	"blindseq/kit/httpkit"
	"blindseq/kit/logs"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// NewRegistry returns a registry with the metrics of the Go runtime and of the process.
func NewRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// Server serves /livez, /readyz and /metrics over HTTP, and on a loopback address /debug/pprof too. On this machine it also serves
// /loglevel and the actions.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// Action is something that an operator on this machine may have the process do.
type Action struct {
	Pattern string // of http.ServeMux, with the method
	Handler http.Handler
}

// NewServer listens on addr. The level of log can be changed if it is one of package logs.
func NewServer(addr string, h *Health, reg *prometheus.Registry, log *slog.Logger, actions ...Action) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serve health and metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /livez", report(h.Live, nil, nil))
	mux.Handle("GET /readyz", report(h.Ready, h.Since, h.Notes))
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg}))
	if level := logs.Level(log); level != nil {
		mux.Handle("GET /loglevel", local(showLevel(level)))
		mux.Handle("PUT /loglevel", local(changeLevel(level, log)))
	}
	for _, one := range actions {
		mux.Handle(one.Pattern, local(one.Handler))
	}
	if config.IsLoopback(addr) {
		profiles(mux)
	}
	return &Server{listener: l, http: &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}}, nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends, and then ends all connections.
func (s *Server) Run(ctx context.Context) error {
	return httpkit.Serve(ctx, "health and metrics", s.http, s.listener, httpkit.Grace{})
}

// Close frees the port of a server that never ran. After Run it does nothing.
func (s *Server) Close() error {
	return httpkit.Close(s.listener)
}

// local serves callers on this machine alone, whatever address the server has. In Kubernetes that is whoever may forward a port of the
// pod. Web pages are refused: a browser may be on this machine too.
func local(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !config.IsLoopback(r.RemoteAddr) || r.Header.Get("Origin") != "" {
			http.Error(w, "only from this machine", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func showLevel(level *slog.LevelVar) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, strings.ToLower(level.Level().String())) // the caller has gone: nothing to do
	})
}

// changeLevel takes a level as the flag --log-level does. It holds until the next change, or the next start.
func changeLevel(level *slog.LevelVar, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16))
		wanted, known := levels()[strings.TrimSpace(string(text))]
		if err != nil || !known {
			http.Error(w, "the body is one of debug, info, warn, error", http.StatusBadRequest)
			return
		}
		before := level.Level()
		level.Set(min(before, slog.LevelInfo)) // so that the line is written
		log.InfoContext(r.Context(), "log level changed", "from", strings.ToLower(before.String()), "to", strings.ToLower(wanted.String()))
		level.Set(wanted)
		w.WriteHeader(http.StatusNoContent)
	})
}

func levels() map[string]slog.Level {
	return map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
}

// profiles offers CPU and memory profiles. They show what a process does, so they are for this machine only.
func profiles(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}

// report answers 200 while there are no reasons, and 503 with them otherwise. Notes are shown and change nothing.
func report(reasons func() map[string]string, since func() map[string]time.Time, notes func() map[string]string) http.Handler {
	type body struct {
		Status  string            `json:"status"`
		Reasons map[string]string `json:"reasons,omitempty"`
		Since   map[string]string `json:"since,omitempty"`
		Notes   map[string]string `json:"notes,omitempty"`
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		b, code := body{Status: "ok", Reasons: reasons()}, http.StatusOK
		if len(b.Reasons) > 0 {
			b.Status, code = "unavailable", http.StatusServiceUnavailable
		}
		if since != nil {
			b.Since = dates(since())
		}
		if notes != nil {
			b.Notes = notes()
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(b) // the prober has gone: nothing to do
	})
}

// dates writes times as a person reads them.
func dates(since map[string]time.Time) map[string]string {
	all := make(map[string]string, len(since))
	for part, t := range since {
		all[part] = t.UTC().Format(time.RFC3339)
	}
	return all
}
