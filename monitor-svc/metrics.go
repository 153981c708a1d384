package monitor

import (
	"time"

	"blindseq/kit/ops"
	"blindseq/monitor-svc/internal/source"
	"blindseq/monitor-svc/merge"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	dropped        *prometheus.CounterVec
	contradictions prometheus.Counter
	breaks         prometheus.Counter
	checks         prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "blindseq_monitor_dropped_total",
			Help: "Events dropped: duplicate (a preblock received before), too_early (too many out of order), late_notice (the request had already ended another way).",
		}, []string{"why"}),
		contradictions: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "blindseq_monitor_contradictions_total",
			Help: "Preblocks received for requests that had ended without one.",
		}),
		breaks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "blindseq_monitor_stream_breaks_total",
			Help: "Times the stream from the DSN broke or could not be opened.",
		}),
		checks: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "blindseq_monitor_check_seconds", Buckets: prometheus.ExponentialBuckets(.0001, 2.5, 13),
			Help: "Duration of checking one preblock's certificate and outcomes, in seconds.",
		}),
	}
	for _, why := range []string{merge.Duplicate, merge.TooEarly, merge.LateNotice} {
		m.dropped.WithLabelValues(why) // shown as 0 from the start
	}
	reg.MustRegister(m.dropped, m.contradictions, m.breaks, m.checks)
	return m
}

// follow shows the state of the merge.
func (m *metrics) follow(reg prometheus.Registerer, status func() (last uint64, waiters int, halted error), connected func() bool) {
	ops.Gauge(reg, "blindseq_monitor_last_preblock", "Number of the last preblock that took effect, 0 before the first.",
		func() float64 { last, _, _ := status(); return float64(last) })
	ops.Gauge(reg, "blindseq_monitor_waiters", "Number of waiting Next callers.",
		func() float64 { _, waiters, _ := status(); return float64(waiters) })
	ops.Gauge(reg, "blindseq_monitor_halted", "1 when the DSN showed two preblocks for one number that differ in content or outcomes.",
		func() float64 { _, _, halted := status(); return ops.Truth(halted != nil) })
	ops.Gauge(reg, "blindseq_monitor_dsn_connected", "1 while the stream from the DSN is up.",
		func() float64 { return ops.Truth(connected()) })
}

// measuredCheck measures Examine, which takes nearly all the time of a check.
type measuredCheck struct {
	source.Check
	seconds prometheus.Histogram
}

func (m measuredCheck) Examine(p *preblockv1.Preblock) (statement [32]byte, err error) {
	began := time.Now()
	defer func() { m.seconds.Observe(time.Since(began).Seconds()) }()
	return m.Check.Examine(p)
}
