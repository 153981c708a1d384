package sequencer

import (
	"time"

	"blindseq/dsn-node/sequencer/internal/rounds"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/status"
)

// roundMetrics shows what each keyholder does, by its address.
type roundMetrics struct {
	names  []string
	calls  *prometheus.HistogramVec
	up     *prometheus.GaugeVec
	last   *prometheus.GaugeVec
	behind *prometheus.GaugeVec
	faults *prometheus.CounterVec
	phases *prometheus.HistogramVec
}

func newRoundMetrics(reg prometheus.Registerer, names []string) *roundMetrics {
	buckets := prometheus.ExponentialBuckets(.0005, 2, 16)
	m := &roundMetrics{
		names: names,
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "blindseq_dsn_keyholder_call_seconds", Buckets: buckets,
			Help: "Duration of calls to a keyholder, by call (status, attest, lock, release, prove, adopt, report, restore) and status code.",
		}, []string{"keyholder", "call", "code"}),
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "blindseq_dsn_keyholder_up", Help: "1 while a keyholder takes part, 0 while it is away or answers wrongly.",
		}, []string{"keyholder"}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "blindseq_dsn_keyholder_last_number", Help: "Last number a keyholder is known to have attested.",
		}, []string{"keyholder"}),
		behind: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "blindseq_dsn_keyholder_behind",
			Help: "Final numbers that a keyholder is not known to hold. While it is behind, blocks do not wait for it, and it cannot take the place of another.",
		}, []string{"keyholder"}),
		faults: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "blindseq_dsn_keyholder_faults_total",
			Help: "Faults of a keyholder, by kind: equivocation, wrong_share and two_shares (evidence is kept), unproven, dissent, invalid.",
		}, []string{"keyholder", "kind"}),
		phases: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "blindseq_dsn_round_seconds", Buckets: buckets,
			Help: "Time from the start of a round to its certificate (attest) and to the outcomes of its sealed transactions (open), and of parts of it: check (the rules, before the round), lock (from the certificate to the locks of a quorum, which make it final), shares (from the locks to enough bare shares), combine (combine, open and seal again), prove (from a failed opening to enough proven shares), verify (checking the proofs).",
		}, []string{"phase"}),
	}
	for _, name := range names {
		m.up.WithLabelValues(name)
		m.last.WithLabelValues(name)
		m.behind.WithLabelValues(name)
		for _, kind := range []string{"equivocation", "wrong_share", "two_shares", "unproven", "dissent", "invalid"} {
			m.faults.WithLabelValues(name, kind)
		}
	}
	for _, phase := range rounds.Phases() {
		m.phases.WithLabelValues(phase)
	}
	reg.MustRegister(m.calls, m.up, m.last, m.behind, m.faults, m.phases)
	return m
}

func (m *roundMetrics) Called(by uint8, call string, took time.Duration, err error) {
	m.calls.WithLabelValues(m.names[by], call, status.Code(err).String()).Observe(took.Seconds())
}

func (m *roundMetrics) Reached(by uint8, up bool, last uint64) {
	if !up {
		m.up.WithLabelValues(m.names[by]).Set(0)
		return
	}
	m.up.WithLabelValues(m.names[by]).Set(1)
	m.last.WithLabelValues(m.names[by]).Set(float64(last))
}

func (m *roundMetrics) Behind(by uint8, numbers uint64) {
	m.behind.WithLabelValues(m.names[by]).Set(float64(numbers))
}

func (m *roundMetrics) Fault(by uint8, kind string) {
	m.faults.WithLabelValues(m.names[by], kind).Inc()
}

func (m *roundMetrics) Phase(name string, took time.Duration) {
	m.phases.WithLabelValues(name).Observe(took.Seconds())
}
