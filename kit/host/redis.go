package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"blindseq/kit/redisx"
	"blindseq/kit/retry"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	probeEvery   = 5 * time.Second
	probeTimeout = 2 * time.Second
)

// Redis opens the client of the Redis that --redis-url names. It connects when it is first used. A component says in readiness,
// log and a metric why the Redis cannot be used. It is no method, so that the programs without Redis do not link its client.
func Redis(h *Host) (*redisx.Client, error) {
	rdb, err := Open(h, "redis", func() (*redisx.Client, error) {
		return redisx.Open(redisx.Config{URL: h.Common.RedisURL, CA: h.Common.RedisCA, Deployment: h.Common.Deployment})
	})
	if err != nil {
		return nil, err
	}
	h.Add("redis probe", newRedisWatch(h, rdb).run)
	return rdb, nil
}

// redisWatch probes Redis. A process that never had a usable Redis is not ready, which stops a rollout. One that had stays ready,
// because it still serves reads; a note says what is wrong.
type redisWatch struct {
	*Host
	rdb    *redisx.Client
	gauge  *prometheus.GaugeVec
	once   bool // it was usable once
	reason string
	since  time.Time // of the first probe that failed; zero while Redis is usable
}

func newRedisWatch(h *Host, rdb *redisx.Client) *redisWatch {
	w := &redisWatch{Host: h, rdb: rdb, gauge: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "blindseq_redis_unusable", Help: "1 while Redis cannot be used until a person changes something, by reason.",
	}, []string{"reason"})}
	h.Registry.MustRegister(w.gauge)
	return w
}

func (w *redisWatch) run(ctx context.Context) error {
	for {
		w.probe(ctx)
		if retry.Sleep(ctx, probeEvery) != nil {
			return nil
		}
	}
}

func (w *redisWatch) probe(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	err := redisx.Probe(limited, w.rdb)
	if ctx.Err() != nil {
		return
	}
	if err != nil && w.since.IsZero() {
		w.since = time.Now()
	}
	wrong, unusable := errors.AsType[*redisx.Unusable](err)
	switch {
	case unusable:
		w.refuse(ctx, wrong)
	case err != nil: // nothing is known of it now: what was said of it stays
		w.Health.Note("redis", w.dated(err))
	default:
		w.accept(ctx)
	}
}

func (w *redisWatch) refuse(ctx context.Context, u *redisx.Unusable) {
	if w.once {
		w.Health.Note("redis", w.dated(u))
	} else {
		w.Health.Set("redis", u.Error())
	}
	if u.Reason == w.reason {
		return
	}
	w.reason = u.Reason
	w.gauge.Reset()
	w.gauge.WithLabelValues(u.Reason).Set(1)
	w.Log.ErrorContext(ctx, "Redis cannot be used", "reason", u.Reason, "change", u.Change, "error", u.Err)
}

// dated says what is wrong and since when.
func (w *redisWatch) dated(err error) string {
	return fmt.Sprintf("%s, since %s", err, w.since.UTC().Format(time.RFC3339))
}

func (w *redisWatch) accept(ctx context.Context) {
	w.once, w.since = true, time.Time{}
	w.Health.Set("redis", "")
	w.Health.Note("redis", "")
	if w.reason == "" {
		return
	}
	w.reason = ""
	w.gauge.Reset()
	w.Log.InfoContext(ctx, "Redis can be used again")
}
