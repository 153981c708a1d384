package leader

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"blindseq/kit/lock"
	"blindseq/kit/notify"
	"blindseq/kit/redisx"
	"blindseq/kit/retry"
)

// refreshEvery bounds how long a lost event can go unnoticed.
const refreshEvery = 5 * time.Second

// Directory knows the last leader of each lease it follows. It remembers a leader until it knows the next, also while there
// is none and while Redis is down: the former leader may still serve reads, and refuses everything else itself.
type Directory struct {
	rdb   *redisx.Client
	names []string
	view  atomic.Pointer[view]
	nudge notify.Wake
}

// view is what is known; it is replaced and never changed.
type view struct {
	leaders map[string]term
	changed chan struct{} // closed when another view has replaced this one
}

// term is one time of leading.
type term struct {
	Endpoint
	token uint64
}

// NewDirectory makes a directory of the leases with these names. It knows nothing before Run.
func NewDirectory(rdb *redisx.Client, names ...string) *Directory {
	d := &Directory{rdb: rdb, names: slices.Clone(names), nudge: notify.NewWake()}
	d.view.Store(&view{changed: make(chan struct{})})
	return d
}

// Current is the last known leader. It costs a load and a map lookup.
func (d *Directory) Current(name string) (Endpoint, bool) {
	t, ok := d.view.Load().leaders[name]
	return t.Endpoint, ok
}

// Changed is closed when another leads next, or when the same one takes its lease again: callers may be waiting for that.
// Take it before Current, so that no change falls in between.
func (d *Directory) Changed() <-chan struct{} { return d.view.Load().changed }

// Refresh has Run ask Redis at once. It does not wait.
func (d *Directory) Refresh() {
	d.nudge.Notify()
}

// Run follows the leases until ctx ends. It fails only when its Redis client is closed.
func (d *Directory) Run(ctx context.Context) error {
	channels := make([]string, len(d.names))
	for i, name := range d.names {
		channels[i] = d.rdb.Names.LockEvents(name)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return redisx.Watch(ctx, d.rdb, func(string, string) { d.Refresh() }, channels...)
	})
	g.Go(func() error { d.follow(ctx); return nil })
	return g.Wait()
}

func (d *Directory) follow(ctx context.Context) {
	pause := retry.Policy{First: 50 * time.Millisecond, Longest: refreshEvery}.New()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.nudge.C():
		case <-timer.C:
		}
		if d.read(ctx) == nil {
			pause.Reset()
			timer.Reset(refreshEvery)
		} else {
			timer.Reset(pause.Next())
		}
	}
}

// read asks Redis for all leaders. Where one cannot be read, or there is none, the last known leader stays.
func (d *Directory) read(ctx context.Context) error {
	var failed error
	leaders := maps.Clone(d.view.Load().leaders)
	if leaders == nil {
		leaders = make(map[string]term, len(d.names))
	}
	for _, name := range d.names {
		st, err := lock.Inspect(ctx, d.rdb, name)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if e := EndpointOf(st.Meta); e.GRPC != "" {
			leaders[name] = term{e, st.Token}
		}
	}
	d.show(leaders)
	return failed
}

// show is called by one goroutine only.
func (d *Directory) show(leaders map[string]term) {
	old := d.view.Load()
	if maps.Equal(old.leaders, leaders) {
		return
	}
	d.view.Store(&view{leaders: leaders, changed: make(chan struct{})})
	close(old.changed)
}
