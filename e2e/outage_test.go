package e2e

import (
	"syscall"
	"testing"
	"time"

	"blindseq/e2e/cluster"
)

const (
	outage = 10 * time.Second
	// producingWithin is from the DSN's being ready again to the next block.
	producingWithin = 2 * time.Second
)

func TestBlocksAreMadeSoonAfterTheDSNIsBack(t *testing.T) {
	for _, outage := range []struct {
		name         string
		stop, repair func(t *testing.T, dsn *cluster.Process)
	}{
		{"killed", func(t *testing.T, dsn *cluster.Process) { must(t, dsn.Kill()) }, startAgain},
		{"stopped with SIGSTOP", signal(syscall.SIGSTOP), signal(syscall.SIGCONT)},
	} {
		t.Run(outage.name, func(t *testing.T) {
			t.Parallel()
			k := newKiller(t, programs, cluster.Options{})
			dsn := k.c.Process(cluster.DSN)
			outage.stop(t, dsn)
			k.stand(t)
			outage.repair(t, dsn)
			k.resumes(t)
			k.end(t)
		})
	}
}

func startAgain(t *testing.T, p *cluster.Process) {
	must(t, p.Start())
	ctx, cancel := bounded(t)
	defer cancel()
	must(t, p.AwaitReady(ctx))
}

func signal(s syscall.Signal) func(*testing.T, *cluster.Process) {
	return func(t *testing.T, p *cluster.Process) { must(t, p.Signal(s)) }
}

// stand waits for the length of an outage and checks that it is one.
func (k *killer) stand(t *testing.T) {
	t.Helper()
	wait(t, outage/2)
	k.look(t)
	before := k.head
	wait(t, outage/2)
	k.look(t)
	if k.head != before {
		t.Fatalf("blocks were made without the DSN: %d, then %d", before, k.head)
	}
}

// resumes measures how long it takes from now to a block that was made from now on.
func (k *killer) resumes(t *testing.T) {
	t.Helper()
	began := k.Now()
	k.advance(t, k.head+1)
	took := (k.Now() - began).Round(time.Millisecond)
	t.Logf("next block %s after the DSN was back", took)
	if took > producingWithin {
		t.Errorf("next block %s after the DSN was back, the bound is %s", took, producingWithin)
	}
}
