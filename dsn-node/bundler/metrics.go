package bundler

import (
	"time"

	"blindseq/dsn-node/bundler/internal/bundling"
	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/peers"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests  *prometheus.CounterVec
	resends   *prometheus.CounterVec
	ends      *prometheus.CounterVec
	seal      prometheus.Histogram
	inclusion prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "blindseq_bundler_requests_total",
			Help: "What wallets asked, by kind and result: send (taken, refused) for each transaction, simulate (refused) for each call that would show one, read (refused) for each call that only an observer may answer when there is none, forward (answered, failed) for each request that went to the observer or to the rollup.",
		}, []string{"kind", "result"}),
		resends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "blindseq_bundler_resends_total",
			Help: "Sealed transactions sent to the rollup again, by result: accepted, refused (it may have it already), away.",
		}, []string{"result"}),
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "blindseq_bundler_ended_total",
			Help: "Transactions that ended, by result: included, replaced (another used the nonce), skipped (ordered and not executed), expired, dropped (never sealed).",
		}, []string{"result"}),
		seal: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "blindseq_bundler_seal_seconds",
			Help:    "Duration of sealing and signing one transaction.",
			Buckets: prometheus.ExponentialBuckets(.0005, 2, 12),
		}),
		inclusion: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "blindseq_bundler_inclusion_seconds",
			Help:    "Time from a transaction's arrival until it was seen in a block, in whole seconds.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 12),
		}),
	}
	for _, result := range []string{bundling.Included, bundling.Replaced, bundling.Skipped, bundling.Expired, bundling.Dropped} {
		m.ends.WithLabelValues(result) // shown as 0 from the start
	}
	reg.MustRegister(m.requests, m.resends, m.ends, m.seal, m.inclusion)
	return m
}

// follow shows the state of a box.
func (m *metrics) follow(reg prometheus.Registerer, b *outbox.Box) {
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "blindseq_bundler_pending",
			Help: "Transactions that wait for a block.",
		}, func() float64 { return float64(b.Len()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "blindseq_bundler_queued",
			Help: "Transactions among the pending ones that are not sealed yet: they wait for earlier ones of their sender.",
		}, func() float64 { return float64(b.QueuedCount()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "blindseq_bundler_oldest_pending_seconds",
			Help: "Age of the oldest transaction that waits for a block, 0 without any.",
		}, func() float64 {
			if oldest := b.Oldest(); !oldest.IsZero() {
				return time.Since(oldest).Seconds()
			}
			return 0
		}))
}

func (m *metrics) count(kind, result string) { m.requests.WithLabelValues(kind, result).Inc() }
func (m *metrics) Sealed(d time.Duration)    { m.seal.Observe(d.Seconds()) }
func (m *metrics) Resent(result string)      { m.resends.WithLabelValues(result).Inc() }

func (m *metrics) Ended(result string, after time.Duration) {
	m.ends.WithLabelValues(result).Inc()
	if result == bundling.Included {
		m.inclusion.Observe(after.Seconds())
	}
}

// followPeers shows how far the other bundlers are.
func (m *metrics) followPeers(reg prometheus.Registerer, p *peers.Peers) {
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "blindseq_bundler_unjoined_peers",
			Help: "Bundlers of --peers that have not said yet that they have the same list. While there are any, this bundler takes no transactions as a home.",
		}, func() float64 { return float64(p.Unjoined()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "blindseq_bundler_stray_accounts",
			Help: "Accounts whose home is this bundler and of which another one still keeps transactions. They are passed on to that one.",
		}, func() float64 { return float64(p.Strays()) }),
	)
}
