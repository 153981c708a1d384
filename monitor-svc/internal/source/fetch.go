package source

import (
	"context"
	"fmt"
	"sync"

	"blindseq/kit/notify"
	"blindseq/monitor-svc/merge"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// Fetcher gets single preblocks, for as long as they are needed.
type Fetcher struct {
	cfg  Config
	mu   sync.Mutex
	want map[uint64]bool
	wake notify.Wake
}

// maxWanted bounds the numbers wanted at once; a caller that is not served retries.
const maxWanted = 4096

// NewFetcher returns a fetcher; Run runs it.
func NewFetcher(cfg Config) *Fetcher {
	return &Fetcher{cfg: cfg, want: map[uint64]bool{}, wake: notify.NewWake()}
}

// Want asks for a preblock. It does not block.
func (f *Fetcher) Want(number uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.want) < maxWanted {
		f.want[number] = true
	}
	f.wake.Notify()
}

// wanted returns any number wanted. It is not the lowest, so that a number that cannot be fetched does not block the others.
func (f *Fetcher) wanted() (number uint64, any bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for number := range f.want {
		return number, true
	}
	return 0, false
}

func (f *Fetcher) done(number uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.want, number)
}

// Run fetches until ctx ends.
func (f *Fetcher) Run(ctx context.Context) error {
	failures := f.cfg.Retry.New()
	for ctx.Err() == nil {
		number, any := f.wanted()
		if !any {
			select {
			case <-f.wake.C():
			case <-ctx.Done():
			}
			continue
		}
		f.done(number) // before the answer: a caller that asks for it meanwhile has it fetched again
		if !f.cfg.Sink.Needs(number) {
			continue
		}
		p, err := Get(ctx, f.cfg, number)
		if err != nil {
			f.cfg.Log.DebugContext(ctx, "fetch", "number", number, "failures", failures.Failures()+1, "error", err)
			_ = failures.Wait(ctx) // the loop sees that ctx ended
			f.Want(number)
			continue
		}
		failures.Reset()
		f.cfg.Sink.Do(p)
	}
	return nil
}

// Get asks the DSN for one preblock and verifies it.
func Get(ctx context.Context, cfg Config, number uint64) (merge.Arrived, error) {
	p, err := Fetch(ctx, cfg, number)
	if err != nil {
		return merge.Arrived{}, err
	}
	return expect(ctx, cfg, p, number)
}

// Fetch asks the DSN for one preblock and verifies nothing.
func Fetch(ctx context.Context, cfg Config, number uint64) (*preblockv1.Preblock, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.CallTimeout)
	defer cancel()
	res, err := cfg.DSN.GetPreblock(ctx, &dsnv1.GetPreblockRequest{Number: number})
	if err != nil {
		return nil, fmt.Errorf("get preblock %d: %w", number, err)
	}
	return res.GetPreblock(), nil
}
