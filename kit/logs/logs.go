// Package logs writes structured lines whose fields travel in the context: code that learns a request id, a number or a
// token puts it into the context once, and every line written under that context carries it.
package logs

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

type fieldsKey struct{}

// With returns a context whose log lines carry the fields too.
func With(ctx context.Context, fields ...slog.Attr) context.Context {
	before, _ := ctx.Value(fieldsKey{}).([]slog.Attr)
	return context.WithValue(ctx, fieldsKey{}, slices.Concat(before, fields))
}

type tokenKey struct{}

// WithToken is With for the fencing token of a section, which is also sent along with calls to other services (package
// grpckit), so that their lines carry it too.
func WithToken(ctx context.Context, token uint64) context.Context {
	return With(context.WithValue(ctx, tokenKey{}, token), slog.Uint64("token", token))
}

// Token is what WithToken put into the context.
func Token(ctx context.Context) (token uint64, ok bool) {
	token, ok = ctx.Value(tokenKey{}).(uint64)
	return token, ok
}

// New returns a logger that writes lines of at least this level ("debug", "info", "warn", "error") in a format
// ("text", "json"), each with the service's name, the fields of its context and the id of the trace it belongs to.
func New(w io.Writer, level, format, service string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: %w", level, err)
	}
	changing := new(slog.LevelVar)
	changing.Set(l)
	options := &slog.HandlerOptions{Level: changing}
	var h slog.Handler = slog.NewTextHandler(w, options)
	if format == "json" {
		h = slog.NewJSONHandler(w, options)
	}
	return slog.New(contextHandler{h, changing}).With("service", service), nil
}

// Level is the level of a logger that New made, or one made from it; setting it changes all of them. It is nil for others.
func Level(log *slog.Logger) *slog.LevelVar {
	h, _ := log.Handler().(contextHandler)
	return h.level
}

// contextHandler adds the fields of the context to each record.
type contextHandler struct {
	slog.Handler
	level *slog.LevelVar
}

func (h contextHandler) Handle(ctx context.Context, r slog.Record) error {
	if fields, ok := ctx.Value(fieldsKey{}).([]slog.Attr); ok {
		r.AddAttrs(fields...)
	}
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h contextHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(a), h.level}
}
func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name), h.level}
}
