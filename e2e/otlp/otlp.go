// Package otlp receives traces by OTLP over gRPC and keeps them for tests.
package otlp

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"sync"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/grpc"
)

// Span is a span as a service sent it.
type Span struct {
	Trace, ID, Parent string // hex; Parent is empty for a root
	Service, Name     string
}

// Receiver is a running collector.
type Receiver struct {
	collector.UnimplementedTraceServiceServer

	addr   string
	server *grpc.Server

	mu      sync.Mutex
	spans   []Span
	changed chan struct{} // closed at the next arrival
}

// Start listens on a free port of the loopback interface.
func Start() (*Receiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("receive traces: %w", err)
	}
	r := &Receiver{addr: l.Addr().String(), server: grpc.NewServer(), changed: make(chan struct{})}
	collector.RegisterTraceServiceServer(r.server, r)
	go r.server.Serve(l) //nolint:errcheck // ends with Close
	return r, nil
}

// URL is what a service is given as its OTLP endpoint.
func (r *Receiver) URL() string { return "http://" + r.addr }

// Close stops receiving.
func (r *Receiver) Close() { r.server.Stop() }

// Export implements the collector's service.
func (r *Receiver) Export(_ context.Context, req *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, group := range req.GetResourceSpans() {
		service := serviceName(group.GetResource())
		for _, scope := range group.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				r.spans = append(r.spans, Span{
					Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()),
					Parent: hex.EncodeToString(s.GetParentSpanId()), Service: service, Name: s.GetName(),
				})
			}
		}
	}
	close(r.changed)
	r.changed = make(chan struct{})
	return &collector.ExportTraceServiceResponse{}, nil
}

// Await returns the spans received so far once they satisfy enough, or with ctx's error when that ends first.
func (r *Receiver) Await(ctx context.Context, enough func([]Span) bool) ([]Span, error) {
	for {
		r.mu.Lock()
		spans, changed := append([]Span(nil), r.spans...), r.changed
		r.mu.Unlock()
		if enough(spans) {
			return spans, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return spans, fmt.Errorf("await traces: %w", ctx.Err())
		}
	}
}

func serviceName(r *resource.Resource) string {
	for _, a := range r.GetAttributes() {
		if a.GetKey() == "service.name" {
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}
