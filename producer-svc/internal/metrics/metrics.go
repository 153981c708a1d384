// Package metrics defines the metrics of producer-svc, and how each is counted.
//
// It guarantees: every metric is registered when New returns, so that it is exported as 0 before it first counts. It asks of
// callers: one Metrics for a registry.
package metrics

import (
	"time"

	"blindseq/producer-svc/internal/txstore"
	"blindseq/producer-svc/logrecord"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are what an operator sees of production.
type Metrics struct {
	blocks   prometheus.Counter
	txs      prometheus.Counter
	skipped  prometheus.Counter
	sections *prometheus.CounterVec
	steps    *prometheus.HistogramVec
	fsync    prometheus.Histogram
	alone    prometheus.Counter
	returned *prometheus.CounterVec
	checks   prometheus.Histogram
	asked    prometheus.Counter
	claims   *prometheus.CounterVec
	differs  prometheus.Counter
	refused  *prometheus.CounterVec
	fates    *prometheus.CounterVec

	rollupCalls *prometheus.CounterVec

	poolRefused, poolEnded *prometheus.CounterVec
}

// seconds are buckets from a tenth of a millisecond to ten seconds.
var seconds = prometheus.ExponentialBuckets(0.0001, 2.5, 13)

// New registers the metrics.
func New(registry *prometheus.Registry) *Metrics {
	m := &Metrics{
		blocks:   prometheus.NewCounter(prometheus.CounterOpts{Name: "blindseq_producer_blocks_total", Help: "Blocks applied, those replayed at the start included."}),
		txs:      prometheus.NewCounter(prometheus.CounterOpts{Name: "blindseq_producer_transactions_total", Help: "Transactions of applied blueprints, the skipped ones included."}),
		skipped:  prometheus.NewCounter(prometheus.CounterOpts{Name: "blindseq_producer_transactions_skipped_total", Help: "Transactions of applied blueprints that could not be executed."}),
		sections: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "blindseq_producer_sections_total", Help: "Critical sections by how they ended."}, []string{"outcome"}),
		steps:    prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "blindseq_producer_section_step_seconds", Help: "Time of each step of a critical section.", Buckets: seconds}, []string{"step"}),
		checks:   prometheus.NewHistogram(prometheus.HistogramOpts{Name: "blindseq_producer_sealed_check_seconds", Help: "Duration of checking the sealed transactions submitted in one go: encoding, submitter, proofs, signatures.", Buckets: seconds}),
		fsync:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "blindseq_producer_log_append_seconds", Help: "Write and fsync of a blueprint log record.", Buckets: seconds}),
	}
	m.rollupCalls = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "blindseq_producer_rollup_calls_total", Help: "Pushes to and looks at the rollup node by how they ended."}, []string{"call", "outcome"})
	m.returned = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "blindseq_producer_locks_unreplicated_total", Help: "Locks and leases given back because too few replicas of Redis confirmed them, by name."}, []string{"lock"})
	m.alone = prometheus.NewCounter(prometheus.CounterOpts{Name: "blindseq_producer_acknowledged_unreplicated_total", Help: "Acknowledgements that went without the standbys of --ack-replicas, as --ack-short degrade allows."})
	m.asked = prometheus.NewCounter(prometheus.CounterOpts{Name: "blindseq_producer_rpc_requests_total", Help: "JSON-RPC requests and batches that came by HTTP."})
	m.claims = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "blindseq_producer_false_claims_total", Help: "Final contents that said something wrong of the block before them, by what: parent, timestamp or base_fee. They were executed all the same."}, []string{"claim"})
	for _, claim := range []logrecord.Claim{logrecord.ClaimParent, logrecord.ClaimTimestamp, logrecord.ClaimBaseFee} {
		m.claims.WithLabelValues(string(claim))
	}
	m.differs = prometheus.NewCounter(prometheus.CounterOpts{Name: "blindseq_producer_blueprints_differing_total", Help: "Blueprints published by the leader that do not follow from their preblocks, of those that this follower compared."})
	m.poolRefused = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "blindseq_producer_pool_refused_total", Help: "Plain transactions refused by a limit of the pool: account (too many, or too many bytes), waiting (of an account, that cannot be executed), half_full (of all accounts, that cannot be executed) or full."}, []string{"limit"})
	m.poolEnded = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "blindseq_producer_pool_ended_total", Help: "Acknowledged plain transactions that left the pool without a block: outbid (it was full and others paid a higher tip), expired (they could not be executed) or admin (dropped by an operator)."}, []string{"why"})
	refused, ended := txstore.Reasons()
	for _, reason := range refused {
		m.poolRefused.WithLabelValues(reason)
	}
	for _, reason := range ended {
		m.poolEnded.WithLabelValues(reason)
	}
	registry.MustRegister(m.poolRefused, m.poolEnded, m.differs, m.claims, m.asked, m.rollupCalls, m.blocks, m.txs, m.skipped, m.sections, m.steps, m.fsync, m.checks, m.returned, m.alone)
	m.admission(registry)
	return m
}

// Applied counts a block.
func (m *Metrics) Applied(transactions, skipped int) {
	m.blocks.Inc()
	m.txs.Add(float64(transactions))
	m.skipped.Add(float64(skipped))
}

// SectionEnded counts a section by how it ended.
func (m *Metrics) SectionEnded(kind string) { m.sections.WithLabelValues(kind).Inc() }

// Stepped takes the time of a section's step.
func (m *Metrics) Stepped(name string, took time.Duration) {
	m.steps.WithLabelValues(name).Observe(took.Seconds())
}

// RollupCalled counts a call of the rollup node by how it ended.
func (m *Metrics) RollupCalled(call string, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	m.rollupCalls.WithLabelValues(call, outcome).Inc()
}

// Synced takes the time of one fsync of the blueprint log.
func (m *Metrics) Synced(d time.Duration) { m.fsync.Observe(d.Seconds()) }

// Checked takes the time of checking sealed transactions.
func (m *Metrics) Checked(d time.Duration) { m.checks.Observe(d.Seconds()) }

// AcknowledgedAlone counts an acknowledgement without standbys.
func (m *Metrics) AcknowledgedAlone() { m.alone.Inc() }

// ClaimedFalsely counts a wrong claim of a final content.
func (m *Metrics) ClaimedFalsely(claim logrecord.Claim) {
	m.claims.WithLabelValues(string(claim)).Inc()
}

// Differs counts a published blueprint that does not follow from its preblock.
func (m *Metrics) Differs() { m.differs.Inc() }

// Asked counts a request or batch of JSON-RPC.
func (m *Metrics) Asked() { m.asked.Inc() }

// LockReturned counts the times that a lock was given back because Redis did not replicate it.
func (m *Metrics) LockReturned(name string) prometheus.Counter {
	return m.returned.WithLabelValues(name)
}

// PoolRefused counts a plain transaction that a limit of the pool refused.
func (m *Metrics) PoolRefused(reason string) { m.poolRefused.WithLabelValues(reason).Inc() }

// PoolEnded counts an acknowledged plain transaction that left the pool without a block.
func (m *Metrics) PoolEnded(reason string) { m.poolEnded.WithLabelValues(reason).Inc() }
