package rpc

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"blindseq/kit/jsonrpc"

	gethrpc "github.com/ethereum/go-ethereum/rpc"
	"golang.org/x/time/rate"
)

// Bounds of what one client that a gateway names may compute. What a call costs shows only when it has run: a call of a few bytes may
// loop until its gas is used up.
const (
	// computingSaved is for how long a client that computed nothing saves up.
	computingSaved = 4 * time.Second
	// computingWait is how long a call waits for those of other clients to end, and then runs beside them.
	computingWait = 2 * time.Second
	// computingCalls is how many calls of one client compute or wait for it: as many requests as a gateway lets it have.
	computingCalls = 128
	// manyComputing is from how many clients on those are forgotten that owe nothing.
	manyComputing = 1024
)

// computing bounds for each client that a gateway names how many of its calls compute at a time, and for how long in all. All of them
// together leave half of the processors to blocks, unless one would wait for long. A client that no gateway names has no bound.
type computing struct {
	all    chan struct{} // calls that compute
	atOnce int           // of one client; further ones wait
	share  float64       // seconds of computing in a second
	now    func() time.Time

	mu sync.Mutex
	of map[string]*computer
}

// computer is a client that computes.
type computer struct {
	slots  chan struct{}
	time   *rate.Limiter // of microseconds
	factor int
	uses   int
}

// newComputing bounds a client to a part of the processors.
func newComputing(part float64) *computing {
	procs := runtime.GOMAXPROCS(0)
	half := max(1, procs/2)
	return &computing{all: make(chan struct{}, half), atOnce: half, share: part * float64(procs), now: time.Now, of: map[string]*computer{}}
}

// computes runs a call that computes, in its client's turn and on its client's time.
func computes[T any](ctx context.Context, c *computing, call func() (T, error)) (none T, err error) {
	end, err := c.begin(ctx)
	if err != nil {
		return none, err
	}
	defer end()
	return call()
}

// begin waits for the client's turn. end ends it. A client that has used up its time, or of which too many calls wait, is refused.
func (c *computing) begin(ctx context.Context) (end func(), err error) {
	name, factor, named := jsonrpc.OnBehalf(gethrpc.PeerInfoFromContext(ctx).HTTP.UserAgent)
	if !named {
		return func() {}, nil
	}
	return c.turn(ctx, name, factor)
}

func (c *computing) turn(ctx context.Context, name string, factor int) (end func(), err error) {
	one, err := c.enter(name, factor)
	if err != nil {
		return nil, err
	}
	if err = c.wait(ctx, one); err != nil {
		c.leave(one)
		return nil, err
	}
	makeRoom := c.room(ctx)
	began := c.now()
	return func() {
		one.owe(began, c.now().Sub(began))
		makeRoom()
		<-one.slots
		c.leave(one)
	}, nil
}

// room waits a while for room beside the calls of other clients.
func (c *computing) room(ctx context.Context) (leave func()) {
	leave = func() { <-c.all }
	select {
	case c.all <- struct{}{}:
		return leave
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, computingWait)
	defer cancel()
	select {
	case c.all <- struct{}{}:
		return leave
	case <-ctx.Done():
		return func() {}
	}
}

func (c *computing) wait(ctx context.Context, one *computer) error {
	if err := one.inDebt(c.now()); err != nil {
		return err
	}
	select {
	case one.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := one.inDebt(c.now()); err != nil {
		<-one.slots
		return err
	}
	return nil
}

func (c *computer) inDebt(now time.Time) error {
	left, perSecond := c.time.TokensAt(now), float64(c.time.Limit())
	if left > 0 {
		return nil
	}
	return limitExceeded(fmt.Sprintf("the calls of this client have computed longer than they may, which is %s of a second; try again in %s",
		time.Duration(perSecond)*time.Microsecond, time.Duration((1-left)/perSecond*float64(time.Second)).Round(time.Millisecond)+time.Millisecond))
}

// owe takes time that is used up already. It may be more than is left.
func (c *computer) owe(at time.Time, used time.Duration) {
	for left := int(used.Microseconds()); left > 0; left -= c.time.Burst() {
		c.time.ReserveN(at, min(left, c.time.Burst()))
	}
}

func (c *computing) enter(name string, factor int) (*computer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.of[name]
	if one == nil || one.factor != factor {
		if len(c.of) >= manyComputing {
			c.forget()
		}
		perSecond := c.share * float64(factor) * float64(time.Second/time.Microsecond)
		one = &computer{
			slots: make(chan struct{}, c.atOnce*factor), factor: factor,
			time: rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond*computingSaved.Seconds()))),
		}
		c.of[name] = one
	}
	if one.uses >= computingCalls*factor {
		return nil, limitExceeded(fmt.Sprintf("%d calls of this client compute or wait for it already", one.uses))
	}
	one.uses++
	return one, nil
}

func (c *computing) leave(one *computer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one.uses--
}

// forget forgets who computes nothing and owes nothing. The caller holds mu.
func (c *computing) forget() {
	now := c.now()
	for name, one := range c.of {
		if one.uses == 0 && one.time.TokensAt(now) >= float64(one.time.Burst()) {
			delete(c.of, name)
		}
	}
}
