package proposer

import (
	"strings"
	"sync/atomic"
	"time"

	"blindseq/kit/ops"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics implements submit.Observer, and knows whether this replica is the active one.
type metrics struct {
	leading    atomic.Bool
	attempts   *prometheus.CounterVec
	submit     prometheus.Histogram
	displaced  prometheus.Counter
	noPreblock *prometheus.CounterVec
	failures   *prometheus.CounterVec
	returned   *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "blindseq_proposer_attempts_total",
			Help: "Proposals submitted to the DSN: first attempts, and repeats after a deadline or a takeover.",
		}, []string{"attempt"}),
		submit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "blindseq_proposer_submit_seconds",
			Help:    "Time from a request's turn, or its deadline, to the DSN's answer to the submission.",
			Buckets: prometheus.ExponentialBuckets(.0005, 2, 14),
		}),
		displaced: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "blindseq_proposer_displaced_total",
			Help: "Numbers for which the DSN had fixed another request's content.",
		}),
		noPreblock: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "blindseq_proposer_no_preblock_total",
			Help: "Requests ended without a preblock, by reason.",
		}, []string{"reason"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "blindseq_proposer_step_failures_total",
			Help: "Failed steps that the proposer retries, by step.",
		}, []string{"step"}),
		returned: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "blindseq_proposer_locks_unreplicated_total",
			Help: "Leases given back because too few replicas of Redis confirmed them, by name.",
		}, []string{"lock"}),
	}
	reg.MustRegister(m.attempts, m.submit, m.displaced, m.noPreblock, m.failures, m.returned)
	ops.Gauge(reg, "blindseq_proposer_active", "1 on the replica that submits proposals.",
		func() float64 { return ops.Truth(m.leading.Load()) })
	for value := range preblockv1.NoPreblockReason_name {
		if r := preblockv1.NoPreblockReason(value); r != preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_UNSPECIFIED {
			m.noPreblock.WithLabelValues(reason(r)) // shown as 0 from the start
		}
	}
	return m
}

// reason is how a reason is written everywhere but in protobuf, for example "pool_locked".
func reason(r preblockv1.NoPreblockReason) string {
	return strings.ToLower(strings.TrimPrefix(r.String(), "NO_PREBLOCK_REASON_"))
}

// follow shows what this replica last saw of the FIFO.
func (m *metrics) follow(reg prometheus.Registerer, seen func() (queued int, inFlight time.Duration)) {
	ops.Gauge(reg, "blindseq_proposer_queued", "Requests in the FIFO, as this replica last saw it.",
		func() float64 { queued, _ := seen(); return float64(queued) })
	ops.Gauge(reg, "blindseq_proposer_in_flight_seconds", "Time for which this replica has seen the same request in flight; 0 when none is.",
		func() float64 { _, age := seen(); return age.Seconds() })
}

func (m *metrics) Leading(yes bool) { m.leading.Store(yes) }

func (m *metrics) Submitted(attempt uint32, took time.Duration) {
	label := "again"
	if attempt <= 1 {
		label = "first"
	}
	m.attempts.WithLabelValues(label).Inc()
	m.submit.Observe(took.Seconds())
}

func (m *metrics) Displaced() { m.displaced.Inc() }

func (m *metrics) Declined(r preblockv1.NoPreblockReason) {
	m.noPreblock.WithLabelValues(reason(r)).Inc()
}

func (m *metrics) Failed(step string) { m.failures.WithLabelValues(step).Inc() }
