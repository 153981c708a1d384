package sequencer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"blindseq/dsn-node/sequencer/internal/core"
	"blindseq/dsn-node/sequencer/order"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	proposals *prometheus.CounterVec
	append    prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		proposals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "blindseq_dsn_proposals_total",
			Help: "Proposals that came in, by result: accepted, repeated (same content again), conflicting (another content for a known number), not_next, refused, failed (the disk), forbidden (a request of the origin's HTTP protocol without the token, or from a web page).",
		}, []string{"result"}),
		append: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "blindseq_dsn_log_append_seconds",
			Help:    "Duration of the write and fsync of one proposal.",
			Buckets: prometheus.ExponentialBuckets(.0001, 2, 15),
		}),
	}
	for _, result := range []string{"accepted", "repeated", "conflicting", "not_next", "refused", "failed", "forbidden"} {
		m.proposals.WithLabelValues(result) // shown as 0 from the start
	}
	reg.MustRegister(m.proposals, m.append)
	return m
}

func (m *metrics) forbidden() { m.proposals.WithLabelValues("forbidden").Inc() }

func (m *metrics) appended(d time.Duration) { m.append.Observe(d.Seconds()) }

// follow shows the state of a core.
func (m *metrics) follow(reg prometheus.Registerer, c *core.Core) {
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "blindseq_dsn_last_number",
			Help: "Number of the last preblock fixed, 0 before the first.",
		}, func() float64 { return float64(c.Last()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "blindseq_dsn_subscribers",
			Help: "Streams of preblocks being served, over both protocols.",
		}, func() float64 { return float64(c.Subscribers()) }))
}

// counted is a core whose submissions are counted.
type counted struct {
	*core.Core
	m      *metrics
	rounds *keyholderRounds // nil without keyholders
}

// Waiting says why no preblock can be fixed now.
func (c counted) Waiting() string { return c.rounds.Waiting() }

// Final is the newest content that became final with something to open.
func (c counted) Final() (newest *preblockv1.Final, changed <-chan struct{}) { return c.rounds.Final() }

func (c counted) Submit(ctx context.Context, p core.Proposal) (core.Answer, error) {
	if err := c.rounds.ready(ctx); err != nil {
		c.m.proposals.WithLabelValues("refused").Inc()
		return core.Answer{}, fmt.Errorf("submit proposal %d: wait for the log: %w", p.Content.GetNumber(), err)
	}
	a, err := c.Core.Submit(ctx, p)
	c.m.proposals.WithLabelValues(result(a, err)).Inc()
	return a, err
}

func result(a core.Answer, err error) string {
	switch {
	case errors.Is(err, core.ErrStorage):
		return "failed"
	case errors.Is(err, order.ErrNotNext):
		return "not_next"
	case err != nil:
		return "refused"
	}
	return map[core.Verdict]string{core.Accepted: "accepted", core.Repeated: "repeated", core.Conflicting: "conflicting"}[a.Verdict]
}
