package host

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"blindseq/kit/certs"
	"blindseq/kit/config"
	"blindseq/kit/grpckit"
	"blindseq/kit/roles"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// lookEvery is how often the certificate's files are looked at besides at every handshake.
	lookEvery = 2 * time.Second
	// warnEvery is how often what is wrong is logged again.
	warnEvery = time.Hour
	// fewLeft of a certificate's life is when an issuer should have renewed it, unless its whole life is short.
	fewLeft = 14 * 24 * time.Hour
)

// ErrPlainText is returned for a listener that other machines can reach without TLS.
var ErrPlainText = errors.New("other machines can reach this address in plain text: set --tls-cert, --tls-key and --tls-ca, listen on a loopback address, or accept it with --insecure")

// doors are where other services come in.
type doors struct {
	source   *certs.Source
	insecure []string // listeners that serve other machines in plain text
	refused  *prometheus.CounterVec
	seconds  prometheus.Gauge
	warned   time.Time
}

func (d *doors) watched() bool { return d.source != nil || len(d.insecure) > 0 }

// Certificates is the mutual TLS of this process; nil without one.
func (h *Host) Certificates() (_ *certs.Source, err error) {
	if err := h.Common.TLS.Validate(); err != nil {
		return nil, err
	}
	if h.doors.source != nil || !h.Common.TLS.On() {
		return h.doors.source, nil
	}
	if h.doors.source, err = certs.Open(h.Common.TLS); err != nil {
		return nil, err
	}
	h.doors.seconds = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "blindseq_certificate_seconds_left", Help: "Time until the certificate of --tls-cert ends, or one that its chain needs. Negative when it has ended.",
	})
	h.Registry.MustRegister(h.doors.seconds)
	h.look(h.ctx)
	h.doors.warned = time.Now()
	return h.doors.source, nil
}

// Refusals counts calls that were refused for their caller's role.
func (h *Host) Refusals() *prometheus.CounterVec {
	if h.doors.refused == nil {
		h.doors.refused = grpckit.Refusals()
		h.Registry.MustRegister(h.doors.refused)
	}
	return h.doors.refused
}

// Door decides how a listener for other services is served: with the mutual TLS that is returned, or in plain text when that
// is nil, which is refused where other machines can reach it, unless the operator has said --insecure.
func (h *Host) Door(name, at string) (*certs.Source, error) {
	source, err := h.Certificates()
	switch {
	case err != nil:
		return nil, fmt.Errorf("serve %s: %w", name, err)
	case source != nil || config.IsLoopback(at):
		return source, nil
	case !h.Common.Insecure:
		return nil, fmt.Errorf("serve %s on %s: %w", name, at, ErrPlainText)
	}
	h.doors.insecure = append(h.doors.insecure, fmt.Sprintf("%s on %s", name, at))
	h.warnPlain(h.ctx, h.doors.insecure[len(h.doors.insecure)-1:])
	return nil, nil
}

// GuardHTTP lets those through to an HTTP handler whose role may call what a request asks for, and counts the others.
func (h *Host) GuardHTTP(method func(*http.Request) string, next http.Handler) http.Handler {
	refused := h.Refusals()
	return certs.Guard(method, func(method string, role roles.Role) { refused.WithLabelValues(method, string(role)).Inc() }, next)
}

// watchDoors reports what an operator should know of certificates and of plain text, until ctx ends.
func (h *Host) watchDoors(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if time.Since(h.doors.warned) >= warnEvery {
			h.doors.warned = time.Now()
			h.warnPlain(ctx, h.doors.insecure)
			if h.doors.source != nil {
				h.warn(ctx, h.doors.source.Look())
			}
		}
		if h.doors.source != nil {
			h.look(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look takes in the state of the certificate. One that has ended makes the process unready: nobody connects to it any more.
func (h *Host) look(ctx context.Context) {
	st := h.doors.source.Look()
	left := time.Until(st.Ends)
	h.doors.seconds.Set(left.Seconds())
	reason, note := "", ""
	switch {
	case left <= 0:
		reason = fmt.Sprintf("the certificate ended at %s: replace the files of --tls-cert and --tls-key", st.Ends.Format(time.RFC3339))
	case few(st):
		note = fmt.Sprintf("it ends at %s", st.Ends.Format(time.RFC3339))
	}
	if st.Failed != nil {
		note = st.Failed.Error()
	}
	changed := h.Health.Ready()["certificate"] != reason || h.Health.Notes()["certificate"] != note
	h.Health.Set("certificate", reason)
	h.Health.Note("certificate", note)
	if st.Changed {
		h.Log.InfoContext(ctx, "certificate exchanged", "ends", st.Ends)
	}
	if changed {
		h.warn(ctx, st)
	}
}

func (h *Host) warnPlain(ctx context.Context, listeners []string) {
	h.doors.warned = time.Now()
	for _, one := range listeners {
		h.Log.WarnContext(ctx, "other machines are served in plain text", "listener", one)
	}
}

func (h *Host) warn(ctx context.Context, st certs.State) {
	left := time.Until(st.Ends).Round(time.Second)
	switch {
	case left <= 0:
		h.Log.ErrorContext(ctx, "certificate has ended", "ended", st.Ends)
	case few(st):
		h.Log.WarnContext(ctx, "certificate ends soon", "ends", st.Ends, "left", left)
	}
	if st.Failed != nil {
		h.Log.WarnContext(ctx, "certificate files cannot be used, the last ones stay", "error", st.Failed)
	}
}

// few says whether little of a certificate's life is left.
func few(st certs.State) bool {
	return time.Until(st.Ends) < min(fewLeft, st.Ends.Sub(st.From)/4)
}
