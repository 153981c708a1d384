package apigw

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the gateway's metrics. Its packages record them through small interfaces of their own.
type metrics struct {
	requests      *prometheus.CounterVec
	seconds       *prometheus.HistogramVec
	inFlight      *prometheus.GaugeVec
	forwardErrors *prometheus.CounterVec
	reads         *prometheus.CounterVec
	webSockets    prometheus.Gauge
	held          *prometheus.GaugeVec
	repeats       *prometheus.CounterVec
	heldTime      *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "blindseq_gateway_requests_total", Help: "HTTP requests answered, by listener, route and status.",
		}, []string{"listener", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "blindseq_gateway_request_seconds", Help: "Duration of HTTP requests. A stream or WebSocket counts when it ends.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"listener", "route"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "blindseq_gateway_requests_in_flight", Help: "HTTP requests being served, by listener.",
		}, []string{"listener"}),
		forwardErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "blindseq_gateway_forward_errors_total", Help: "JSON-RPC requests and WebSockets not forwarded to the leading producer, by kind.",
		}, []string{"kind"}),
		reads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "blindseq_gateway_reads_total", Help: "JSON-RPC requests that any replica may answer, by who answered: leader, replica, or asked_over (the leader, because the replica's answer was not usable).",
		}, []string{"by"}),
		webSockets: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "blindseq_gateway_websockets", Help: "Open WebSockets to the leading producer.",
		}),
		held: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "blindseq_gateway_held_calls", Help: "Calls that are held now, by backend: leader, proposer or monitor.",
		}, []string{"backend"}),
		repeats: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "blindseq_gateway_repeats_total", Help: "Retries of held calls, by backend and reason: no_leader, unavailable, or succeeded (another producer leads than the one asked).",
		}, []string{"backend", "reason"}),
		heldTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "blindseq_gateway_held_seconds", Help: "Time for which calls were held, by backend and outcome: served, refused, given_up (--hold-timeout passed), left (the caller left), turned_away (too many calls were held).",
			Buckets: []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30},
		}, []string{"backend", "outcome"}),
	}
	reg.MustRegister(m.requests, m.seconds, m.inFlight, m.forwardErrors, m.reads, m.webSockets, m.held, m.repeats, m.heldTime)
	return m
}

// Begin counts a request that begins.
func (m *metrics) Begin(listener string) { m.inFlight.WithLabelValues(listener).Inc() }

// End counts a request that ended.
func (m *metrics) End(listener, route string, status int, took time.Duration) {
	m.inFlight.WithLabelValues(listener).Dec()
	m.requests.WithLabelValues(listener, route, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(listener, route).Observe(took.Seconds())
}

// ForwardError counts a request or WebSocket that was not forwarded.
func (m *metrics) ForwardError(kind string) { m.forwardErrors.WithLabelValues(kind).Inc() }

// Read counts a read that any replica may answer.
func (m *metrics) Read(by string) { m.reads.WithLabelValues(by).Inc() }

// WebSockets counts open WebSockets.
func (m *metrics) WebSockets(change int) { m.webSockets.Add(float64(change)) }

// Held counts held calls.
func (m *metrics) Held(line string, change int) { m.held.WithLabelValues(line).Add(float64(change)) }

// Repeat counts a retry of a held call.
func (m *metrics) Repeat(line, reason string) { m.repeats.WithLabelValues(line, reason).Inc() }

// HoldEnded records how a held call ended.
func (m *metrics) HoldEnded(line, outcome string, took time.Duration) {
	m.heldTime.WithLabelValues(line, outcome).Observe(took.Seconds())
}
