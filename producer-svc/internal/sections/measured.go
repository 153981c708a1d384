package sections

import (
	"context"
	"time"

	"blindseq/kit/telemetry"
	"blindseq/producer-svc/section"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Observer measures sections and their steps.
type Observer struct {
	Tracer trace.Tracer
	// Waiting takes the traces of the transactions that wait; nil for none.
	Waiting func() []telemetry.Trace
	Ended   func(kind string)                     // called for each section
	Step    func(name string, took time.Duration) // called for each step
}

// Sections returns next with each section counted and made a span; calls to other services become its children.
func (o Observer) Sections(next Sections) Sections { return measuredSections{next, o} }

// Performer returns next with each step timed and made a span.
func (o Observer) Performer(next Performer) Performer { return measuredSteps{next, o} }

type measuredSections struct {
	next Sections
	Observer
}

func (s measuredSections) Run(ctx context.Context, r section.Request) section.Result {
	ctx, links := s.join(ctx)
	ctx, span := s.Tracer.Start(ctx, "section", trace.WithLinks(links...), trace.WithAttributes(
		attribute.String("request_id", r.ID), attribute.Bool("force", r.Force), attribute.Bool("sync", r.Sync)))
	defer span.End()
	result := s.next.Run(ctx, r)
	s.Ended(result.Kind.String())
	span.SetAttributes(attribute.String("outcome", result.Kind.String()), attribute.Int64("number", int64(result.Block.Number)))
	if err := result.Problem(); err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	return result
}

// join continues the trace of the transaction that waits longest, unless somebody's call has the section made, and links to the others.
func (o Observer) join(ctx context.Context) (context.Context, []trace.Link) {
	if o.Waiting == nil {
		return ctx, nil
	}
	waiting := o.Waiting()
	if len(waiting) > 0 && !telemetry.TraceOf(ctx).Known() {
		ctx, waiting = waiting[0].Continue(ctx), waiting[1:]
	}
	var links []trace.Link
	for _, one := range waiting {
		links = append(links, one.Link())
	}
	return ctx, links
}

type measuredSteps struct {
	next Performer
	Observer
}

func (p measuredSteps) Perform(ctx context.Context, s *Session, e section.Effect) section.Event {
	began := time.Now()
	ctx, span := p.Tracer.Start(ctx, "section."+e.Name())
	defer span.End()
	event := p.next.Perform(ctx, s, e)
	p.Step(e.Name(), time.Since(began))
	return event
}
