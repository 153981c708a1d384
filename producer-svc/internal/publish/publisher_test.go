package publish

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"blindseq/producer-svc/backpressure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// chain is a feed of blueprints whose only message is their number.
type chain struct {
	mu      sync.Mutex
	head    uint64
	changed chan struct{}
}

func newChain(head uint64) *chain { return &chain{head: head, changed: make(chan struct{})} }

func (c *chain) Watch() (uint64, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.head, c.changed
}

func (c *chain) Messages(number uint64) ([]string, error) { return []string{fmt.Sprint(number)}, nil }

func (c *chain) apply(n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.head += n
	close(c.changed)
	c.changed = make(chan struct{})
}

// rollup executes what it is given with every block of layer 1, and blocks in Inject while it hangs.
type rollup struct {
	mu    sync.Mutex
	seen  backpressure.Seen
	taken []string
	err   error
	hangs bool
}

func (r *rollup) Inject(ctx context.Context, messages []string) error {
	r.mu.Lock()
	hangs, err := r.hangs, r.err
	if err == nil && !hangs {
		r.taken = append(r.taken, messages...)
	}
	r.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (r *rollup) Look(context.Context) (backpressure.Seen, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen, r.err
}

func (r *rollup) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// start runs a publisher; looks come every second of the fake clock.
func start(t *testing.T, c *chain, r *rollup) (p *Publisher, unlocked func() int) {
	t.Helper()
	var mu sync.Mutex
	count := 0
	p = New(Deps{Blueprints: c, Rollup: r, Limits: testLimits, LookEvery: time.Second, Log: slog.New(slog.DiscardHandler),
		Unlocked: func() { mu.Lock(); defer mu.Unlock(); count++ }})
	p.Begin()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil || p.State().Locked {
			t.Errorf("after the end: %v, locked %v", err, p.State().Locked)
		}
	})
	return p, func() int { mu.Lock(); defer mu.Unlock(); return count }
}

func TestAHangingRollupLocksThePoolAndOneThatIsBackUnlocksIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r := newChain(0), &rollup{seen: backpressure.Seen{Level: 1}, hangs: true}
		p, unlocked := start(t, c, r)
		time.Sleep(2 * time.Second)
		c.apply(10)
		synctest.Wait()
		if p.State().Locked {
			t.Fatal("locked too early")
		}
		c.apply(1)
		synctest.Wait()
		if !p.State().Locked {
			t.Fatal("not locked")
		}
		r.set(func() { r.seen = backpressure.Seen{Level: 2, Confirmed: 11} })
		time.Sleep(2 * time.Second)
		if !p.State().Locked || unlocked() != 0 {
			t.Fatal("unlocked before the cooldown")
		}
		r.set(func() { r.seen.Level = 4 })
		time.Sleep(2 * time.Second)
		if p.State().Locked || unlocked() != 1 {
			t.Fatalf("locked %v, %d unlocked", p.State().Locked, unlocked())
		}
	})
}

func TestARefusedBlueprintIsPushedAgainUntilItIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r := newChain(2), &rollup{seen: backpressure.Seen{Level: 1}, err: errors.New("the injector is full")}
		p, _ := start(t, c, r)
		time.Sleep(3 * time.Second)
		if got := p.State(); got.Accepted != 0 || got.Heard {
			t.Fatalf("got %+v", got)
		}
		r.set(func() { r.err = nil })
		time.Sleep(3 * time.Second)
		c.apply(1)
		synctest.Wait()
		r.set(func() {
			if !slices.Equal(r.taken, []string{"1", "2", "3"}) {
				t.Errorf("taken: %v", r.taken)
			}
		})
	})
}

// answers is a rollup node that says what it is told to.
func answers(t *testing.T, paths map[string]string, status int) *RollupNode {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, paths[r.URL.Path])
	}))
	t.Cleanup(server.Close)
	node := NewRollupNode(server.URL + "/")
	t.Cleanup(func() { _ = node.Close() })
	return node
}

func TestALookReadsLevelAndNumber(t *testing.T) {
	little := make([]byte, 32)
	binary.LittleEndian.PutUint64(little, 70_000)
	const at = "/global/block/41/durable/wasm_2_0_0/value"
	for name, test := range map[string]struct {
		value string
		want  uint64
		bad   bool
	}{
		"a number":     {value: `"` + hex.EncodeToString(little) + `"`, want: 70_000},
		"a short one":  {value: `"05"`, want: 5},
		"no block yet": {value: "null\n"},
		"too large":    {value: `"` + hex.EncodeToString(append(make([]byte, 8), 1)) + `"`, bad: true},
		"too long":     {value: `"` + hex.EncodeToString(make([]byte, 33)) + `"`, bad: true},
		"not hex":      {value: `"0x05"`, bad: true},
		"no JSON":      {value: `<html>`, bad: true},
		"other JSON":   {value: `{}`, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			node := answers(t, map[string]string{"/global/block/head/level": "41\n", at: test.value}, http.StatusOK)
			seen, err := node.Look(t.Context())
			if test.bad {
				if !errors.Is(err, ErrRollupNode) {
					t.Fatalf("got %v, %v", seen, err)
				}
				return
			}
			if err != nil || seen != (backpressure.Seen{Level: 41, Confirmed: test.want}) {
				t.Fatalf("got %v, %v", seen, err)
			}
		})
	}
}

func TestAnAnswerThatIsNotOneIsAnError(t *testing.T) {
	if _, err := answers(t, map[string]string{"/global/block/head/level": `"x"`}, http.StatusOK).Look(t.Context()); !errors.Is(err, ErrRollupNode) {
		t.Errorf("level: %v", err)
	}
	failing := answers(t, nil, http.StatusInternalServerError)
	if _, err := failing.Look(t.Context()); !errors.Is(err, ErrRollupNode) {
		t.Errorf("look: %v", err)
	}
	if err := failing.Inject(t.Context(), []string{"00"}); !errors.Is(err, ErrRollupNode) {
		t.Errorf("inject: %v", err)
	}
}

var testLimits = backpressure.Limits{Lag: 5, Ahead: 10, CatchUp: 4, Cooldown: 2}
