package telemetry

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Header is where W3C's trace context is in a request.
const Header = "Traceparent"

// Join puts the trace that a request names into its context, with a span for the request, and returns what ends that. A request that
// names none begins none: a wallet's calls would be most of all traces. A trace that is not sampled counts as none, since a block's own
// spans would be left out with it. A WebSocket joins none: it lives for hours, and its calls have no place for a trace of their own.
func Join(r *http.Request, name string) (joined *http.Request, end func()) {
	if len(r.Header[Header]) != 1 || r.Header.Get("Upgrade") != "" {
		return r, func() {}
	}
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return r, func() {}
	}
	if !On() {
		return r.WithContext(ctx), func() {}
	}
	ctx, span := otel.Tracer("blindseq/http").Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
	return r.WithContext(ctx), func() { span.End() }
}

// Pass names the trace of a context in the header of a request.
func Pass(ctx context.Context, h http.Header) {
	if trace.SpanContextFromContext(ctx).IsValid() {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(h))
	}
}

// Passing is next with Pass for each request that its context has a trace for.
func Passing(next http.RoundTripper) http.RoundTripper { return passing{next} }

type passing struct{ next http.RoundTripper }

func (p passing) RoundTrip(r *http.Request) (*http.Response, error) {
	if trace.SpanContextFromContext(r.Context()).IsValid() {
		r = r.Clone(r.Context())
		Pass(r.Context(), r.Header)
	}
	return p.next.RoundTrip(r)
}

// CloseIdleConnections is for http.Client.
func (p passing) CloseIdleConnections() {
	if c, ok := p.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Trace is what later work continues. The zero value is none.
type Trace struct{ at trace.SpanContext }

// TraceOf is the trace of a context.
func TraceOf(ctx context.Context) Trace { return Trace{trace.SpanContextFromContext(ctx)} }

// Known says whether there is one.
func (t Trace) Known() bool { return t.at.IsValid() }

// Continue puts the trace into a context, unless it is none.
func (t Trace) Continue(ctx context.Context) context.Context {
	if !t.Known() {
		return ctx
	}
	return trace.ContextWithSpanContext(ctx, t.at)
}

// Link is how another trace names this one.
func (t Trace) Link() trace.Link { return trace.Link{SpanContext: t.at} }

// Is says whether two are the same span's.
func (t Trace) Is(other Trace) bool { return t.at.Equal(other.at) }
