package keyholder

import (
	"time"

	"blindseq/dsn-node/internal/holder"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct{ append prometheus.Histogram }

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{append: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "blindseq_keyholder_log_append_seconds",
		Help:    "Duration of the write and fsync of one attestation.",
		Buckets: prometheus.ExponentialBuckets(.0001, 2, 15),
	})}
	reg.MustRegister(m.append)
	return m
}

func (m *metrics) appended(d time.Duration) { m.append.Observe(d.Seconds()) }

// follow shows the state of a holder.
func (m *metrics) follow(reg prometheus.Registerer, h *holder.Holder) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "blindseq_keyholder_last_number",
		Help: "Last number attested, 0 before the first.",
	}, func() float64 { return float64(h.Status().Last) }))
}
