package keyholder

import (
	"time"

	"blindseq/dsn-node/keyholder/internal/voter"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	append prometheus.Histogram
	steps  *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		append: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "blindseq_keyholder_log_append_seconds",
			Help:    "Duration of the write and fsync of one vote: an attestation, a lock, or an adoption.",
			Buckets: prometheus.ExponentialBuckets(.0001, 2, 15),
		}),
		steps: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "blindseq_keyholder_step_seconds",
			Help:    "Duration of the steps of one content's sealed transactions: check (the rules, before the content is attested), shares (making them) and prove (making them with proof, if one did not open).",
			Buckets: prometheus.ExponentialBuckets(.0005, 2, 16),
		}, []string{"step"}),
	}
	for _, step := range []string{voter.StepCheck, voter.StepShares, voter.StepProve} {
		m.steps.WithLabelValues(step)
	}
	reg.MustRegister(m.append, m.steps)
	return m
}

func (m *metrics) appended(d time.Duration) { m.append.Observe(d.Seconds()) }

func (m *metrics) stepped(step string, d time.Duration) {
	m.steps.WithLabelValues(step).Observe(d.Seconds())
}

// follow shows the state of a keyholder.
func (m *metrics) follow(reg prometheus.Registerer, h *voter.Voter) {
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "blindseq_keyholder_last_number",
			Help: "Last number attested or adopted, 0 before the first.",
		}, func() float64 { return float64(h.Status().Last) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "blindseq_keyholder_signs_from",
			Help: "Lowest number that this keyholder signs for, 0 while it has no votes and waits for the reports of its peers.",
		}, func() float64 { return float64(h.Status().SignsFrom) }),
	)
}
