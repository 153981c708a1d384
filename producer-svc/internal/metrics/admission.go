package metrics

import (
	"errors"

	"blindseq/producer-svc/internal/admission"
	"blindseq/producer-svc/internal/sealedpool"

	"github.com/prometheus/client_golang/prometheus"
)

// admission registers what admission counts.
func (m *Metrics) admission(registry *prometheus.Registry) {
	m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "blindseq_producer_sealed_refused_total", Help: "Sealed transactions that admission refused, by reason: submitter (balance, or not on the list), quota, garbage or full."}, []string{"reason"})
	for _, reason := range refusals {
		m.refused.WithLabelValues(reason)
	}
	m.fates = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "blindseq_producer_sealed_fates_total", Help: "Sealed transactions of applied blocks by what became of them: executed, carried (executed, sealed by another than the sender), ended, or garbage."}, []string{"fate"})
	for _, one := range []admission.Outcome{admission.Executed, admission.Carried, admission.Ended, admission.Garbage} {
		m.fates.WithLabelValues(one.String())
	}
	registry.MustRegister(m.refused, m.fates)
}

// refusals are the reasons of SealedRefused.
var refusals = map[error]string{
	admission.ErrSubmitter: "submitter", sealedpool.ErrQuota: "quota", sealedpool.ErrSpoilt: "garbage", sealedpool.ErrFull: "full",
}

// SealedRefused counts a sealed transaction that admission refused.
func (m *Metrics) SealedRefused(err error) {
	for kind, reason := range refusals {
		if errors.Is(err, kind) {
			m.refused.WithLabelValues(reason).Inc()
		}
	}
}

// Judged counts what became of a sealed transaction.
func (m *Metrics) Judged(o admission.Outcome) { m.fates.WithLabelValues(o.String()).Inc() }
