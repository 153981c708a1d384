package producer

import (
	"context"
	"time"

	"blindseq/producer-svc/internal/sections"
	"blindseq/producer-svc/section"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// measuredSections counts sections and makes each one span; calls to other services become its children.
type measuredSections struct {
	next    sections.Sections
	metrics *metrics
	tracer  trace.Tracer
}

func (s measuredSections) Run(ctx context.Context, r section.Request) section.Result {
	ctx, span := s.tracer.Start(ctx, "section", trace.WithAttributes(
		attribute.String("request_id", r.ID), attribute.Bool("force", r.Force), attribute.Bool("sync", r.Sync)))
	defer span.End()
	o := s.next.Run(ctx, r)
	s.metrics.sections.WithLabelValues(o.Kind.String()).Inc()
	span.SetAttributes(attribute.String("outcome", o.Kind.String()), attribute.Int64("number", int64(o.Block.Number)))
	if err := o.Problem(); err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	return o
}

// measuredSteps times the steps of sections and makes each a span.
type measuredSteps struct {
	next    sections.Performer
	metrics *metrics
	tracer  trace.Tracer
}

func (p measuredSteps) Perform(ctx context.Context, s *sections.Session, e section.Effect) section.Event {
	began := time.Now()
	ctx, span := p.tracer.Start(ctx, "section."+e.Name())
	defer span.End()
	event := p.next.Perform(ctx, s, e)
	p.metrics.steps.WithLabelValues(e.Name()).Observe(time.Since(began).Seconds())
	return event
}
