package e2e

import (
	"context"
	"syscall"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/kit/lock"
	"blindseq/kit/rediskeys"
	"blindseq/kit/redisx"

	"golang.org/x/sync/errgroup"
)

// paused is a step at which a program that holds a lease of 3 s is stopped with SIGSTOP for longer than that.
type paused struct {
	process, name string
	// late says that the blueprint log is written after this step, and only by one who looks at the clock before.
	late bool
}

const (
	leaseTTL = 3 * time.Second
	onTheWay = 2 * time.Second // how long a program stands at the step, for the signal to reach it there
)

// TestAHolderThatPausedForLongerThanItsLeaseWritesNothingLate pauses a program in the middle of its critical section until
// another has had the lock, and lets it continue.
func TestAHolderThatPausedForLongerThanItsLeaseWritesNothingLate(t *testing.T) {
	t.Parallel()
	bin, _ := withFailpoints(t)
	clusters := [][]paused{
		{{cluster.Producer, "sectionLocked", true}, {cluster.Producer, "sectionRequested", true}, {cluster.Producer, "sectionDelivered", true}},
		{{cluster.Producer, "sectionAppending", false}, {cluster.Producer, "walWritten", false}, {cluster.Producer, "blockExecuted", false}, {cluster.Producer, "sectionReleasing", false}},
		{{cluster.Proposer, "proposalRecording", false}, {cluster.Proposer, "proposalRecorded", false}, {cluster.Proposer, "proposalSubmitted", false}},
	}
	var group errgroup.Group
	for _, steps := range clusters {
		group.Go(func() error {
			t.Run(steps[0].process+" from "+steps[0].name, func(t *testing.T) { pauseAll(t, bin, steps) })
			return nil
		})
	}
	_ = group.Wait() // the subtests report for themselves
}

func pauseAll(t *testing.T, bin string, steps []paused) {
	k := newKiller(t, bin, cluster.Options{Failpoints: true})
	rdb, err := redisx.Open(redisx.Config{URL: k.c.RedisURL(), Deployment: rediskeys.OfChain(1337)})
	must(t, err)
	t.Cleanup(func() { must(t, rdb.Close()) })
	lost := map[uint64]loss{} // by token
	for _, s := range steps {
		token, head := k.pause(t, rdb, s)
		if s.late {
			lost[token] = loss{s.name, head}
		}
	}
	k.stopCalls()
	k.calls.Wait()
	h := k.judge(t)
	for _, r := range h.Records {
		// A section may have written a record before, for another request. A replica that follows writes without the lock.
		if at, ok := lost[r.GetToken()]; ok && r.GetNumber() > at.head && !r.GetFollowed() {
			t.Errorf("S12: record %d was written under token %d, which was lost at %s with head %d", r.GetNumber(), r.GetToken(), at.step, at.head)
		}
	}
}

// loss is the step at which a lock was lost, and the head then: under its token nothing may be written above.
type loss struct {
	step string
	head uint64
}

// pause pauses a program at a step until another has had its lock, and returns the token of the consumption lock that was
// held meanwhile, and the head at the step.
func (k *killer) pause(t *testing.T, rdb *redisx.Client, s paused) (token, head uint64) {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	must(t, k.c.Failpoints(s.process).ArmOnce(ctx, s.name, onTheWay))
	must(t, k.c.Failpoints(s.process).Reached(ctx, s.name))
	head, err := k.direct.BlockNumber(ctx)
	must(t, err)
	p := k.c.Process(s.process)
	must(t, p.Signal(syscall.SIGSTOP))
	token, err = rdb.Get(ctx, rdb.Names.LockToken(rediskeys.ConsumptionLock)).Uint64()
	must(t, err)
	name := rediskeys.ConsumptionLock
	if s.process == cluster.Proposer {
		name = rediskeys.ProposerLease
	}
	began := k.Now()
	other, err := lock.New(rdb, lock.Options{Name: name, TTL: leaseTTL, Holder: "another"}).Acquire(ctx, lock.Request{})
	must(t, err)
	t.Logf("%s paused at %s: another had the lock after %s", s.process, s.name, (k.Now() - began).Round(time.Millisecond))
	wait(t, leaseTTL/3) // what the paused one believes has ended long before
	must(t, other.Release(context.WithoutCancel(ctx)))
	k.look(t)
	must(t, p.Signal(syscall.SIGCONT))
	k.advance(t, k.head+1)
	return token, head
}
