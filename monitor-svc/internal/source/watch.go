package source

import (
	"context"
	"sync"
	"time"

	dsnv1 "blindseq/proto/blindseq/dsn/v1"
)

// watchEvery is how often the DSN is asked what it waits for. The stream is silent just then.
const watchEvery = time.Second

// Watch polls what the DSN waits for.
type Watch struct {
	cfg     Config
	waiting func(reason string)

	mu   sync.Mutex
	last *dsnv1.GetStatusResponse // nil while the DSN does not answer
}

// NewWatch returns a watch; Run runs it. It calls waiting with the reason why the DSN can fix no preblock, when the reason
// changes and lasts from one poll to the next: while everything starts, keyholders are away for a moment. It calls waiting
// with "" while the DSN does not answer, because the stream reports that.
func NewWatch(cfg Config, waiting func(reason string)) *Watch {
	return &Watch{cfg: cfg, waiting: waiting}
}

// Last is the DSN's last answer; empty while it does not answer.
func (w *Watch) Last() (waiting string, accepted uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last.GetWaiting(), w.last.GetAcceptedNumber()
}

// Run asks until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	reported, before := "", ""
	for {
		res := w.ask(ctx)
		if ctx.Err() != nil {
			return nil
		}
		w.mu.Lock()
		w.last = res
		w.mu.Unlock()
		reason := res.GetWaiting()
		if lasting := before != "" || reason == ""; lasting && reason != reported {
			reported = reason
			w.waiting(reason)
		}
		before = reason
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (w *Watch) ask(ctx context.Context) *dsnv1.GetStatusResponse {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.CallTimeout)
	defer cancel()
	res, err := w.cfg.DSN.GetStatus(ctx, &dsnv1.GetStatusRequest{})
	if err != nil {
		w.cfg.Log.DebugContext(ctx, "ask the DSN what it waits for", "error", err)
		return nil
	}
	return res
}
