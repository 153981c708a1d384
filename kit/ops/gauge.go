package ops

import "github.com/prometheus/client_golang/prometheus"

// Gauge registers a gauge whose value is read when metrics are asked for.
func Gauge(reg prometheus.Registerer, name, help string, value func() float64) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// Truth is the value of a gauge that says yes or no.
func Truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
