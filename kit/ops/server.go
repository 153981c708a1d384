package ops

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"blindseq/kit/config"
	"blindseq/kit/httpkit"

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

// Server serves /livez, /readyz and /metrics over HTTP, and on a loopback address /debug/pprof too.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// NewServer listens on addr.
func NewServer(addr string, h *Health, reg *prometheus.Registry) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serve health and metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /livez", report(h.Live, nil))
	mux.Handle("GET /readyz", report(h.Ready, h.Notes))
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg}))
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

// profiles offers CPU and memory profiles. They show what a process does, so they are for this machine only.
func profiles(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}

// report answers 200 while there are no reasons, and 503 with them otherwise. Notes are shown and change nothing.
func report(reasons, notes func() map[string]string) http.Handler {
	type body struct {
		Status  string            `json:"status"`
		Reasons map[string]string `json:"reasons,omitempty"`
		Notes   map[string]string `json:"notes,omitempty"`
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		b, code := body{Status: "ok", Reasons: reasons()}, http.StatusOK
		if len(b.Reasons) > 0 {
			b.Status, code = "unavailable", http.StatusServiceUnavailable
		}
		if notes != nil {
			b.Notes = notes()
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(b) // the prober has gone: nothing to do
	})
}
