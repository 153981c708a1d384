package e2e

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/failpoint"
	"blindseq/e2e/load"
	"blindseq/e2e/rest"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"

	"github.com/ethereum/go-ethereum/ethclient"
	"google.golang.org/grpc"
)

// withKeyholders is a cluster of which each keyholder is needed for each block.
func withKeyholders() cluster.Options {
	return cluster.Options{Keyholders: 2, Threshold: 2, Bundler: true}
}

// withOneTooMany is a cluster that makes blocks without any one of its keyholders.
func withOneTooMany() cluster.Options {
	return cluster.Options{Keyholders: 4, Threshold: 3, Bundler: true}
}

// killer has a cluster under load: transactions of two accounts and two callers of produce_block; with keyholders also
// transactions that a bundler encrypts.
type killer struct {
	*observation
	direct *ethclient.Client // of the producer itself
	admin  blueprintv1.AdminServiceClient
	head   uint64 // the last one seen

	stopCalls context.CancelFunc
	calls     sync.WaitGroup
}

func newKiller(t *testing.T, bin string, options cluster.Options) *killer {
	t.Helper()
	c := startFrom(t, bin, options)
	client, accounts := wallet(t, c)
	direct, err := ethclient.DialContext(t.Context(), c.Direct)
	must(t, err)
	t.Cleanup(direct.Close)
	api := rest.New(c.REST, 4)
	t.Cleanup(api.Close)
	k := &killer{
		observation: watched(t, c, client, accounts[:2], 100*time.Millisecond),
		direct:      direct,
		admin:       blueprintv1.NewAdminServiceClient(c.Conn(cluster.Producer)),
	}
	if c.Keys != nil {
		k.encrypt(t, accounts[2], accounts[3])
	}
	ctx, cancel := context.WithCancel(t.Context())
	k.stopCalls = cancel
	t.Cleanup(func() { cancel(); k.calls.Wait() })
	for i := range 2 {
		k.calls.Go(func() { k.keepCalling(ctx, t, api, fmt.Sprintf("caller-%d", i)) })
	}
	k.advance(t, 0)
	return k
}

// encrypt sends transactions through the bundler too: those of one account in the order of their nonces, those of another not.
func (o *observation) encrypt(t *testing.T, sender, swapping *load.Account) {
	t.Helper()
	bundler, err := ethclient.DialContext(t.Context(), o.c.Wallets)
	must(t, err)
	t.Cleanup(bundler.Close)
	o.bundled.Store(sender.Address.Hex(), bundler)
	o.bundled.Store(swapping.Address.Hex(), bundler)
	o.send(sender, func(ctx context.Context) error {
		return load.Stream(ctx, bundler, sender, 150*time.Millisecond, o.Recorder)
	})
	o.send(swapping, func(ctx context.Context) error {
		return load.Swapped(ctx, bundler, swapping, 300*time.Millisecond, o.Recorder)
	})
}

// keepCalling makes a block every 100 ms or so, until ctx ends.
func (k *killer) keepCalling(ctx context.Context, t *testing.T, api *rest.Client, name string) {
	pause := time.NewTicker(100 * time.Millisecond)
	defer pause.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		if call := k.produce(t, api, fmt.Sprintf("%s-%d", name, i)); call.Err != "" && ctx.Err() == nil {
			t.Errorf("call %s was not answered: %s", call.Request, call.Err)
			return
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
	}
}

// end lets the calls under way be answered and judges the run.
func (k *killer) end(t *testing.T) {
	t.Helper()
	k.stopCalls()
	k.calls.Wait()
	k.judge(t)
}

// kill brings a process to a step, kills it there, starts it again at once, and returns how long after the kill a block
// was there that was made after it.
func (k *killer) kill(t *testing.T, s step) time.Duration {
	t.Helper()
	p := k.c.Process(s.process)
	if s.way == declining {
		lockPool(t, k.admin, true)
	}
	k.bring(t, s)
	k.look(t)
	killed := k.Now()
	must(t, p.Kill())
	must(t, p.Start())
	if s.way == declining {
		lockPool(t, k.admin, false)
	}
	k.advance(t, k.head+1)
	took := k.Now() - killed
	ctx, cancel := bounded(t)
	defer cancel()
	must(t, p.AwaitReady(ctx))
	return took
}

// bring waits until a process stands at a step.
func (k *killer) bring(t *testing.T, s step) {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	p, steps := k.c.Process(s.process), k.c.Failpoints(s.process)
	switch s.way {
	case starting:
		must(t, p.Kill())
		must(t, p.StartWith(failpoint.Armed(s.name)))
	case behind, emptied:
		must(t, p.Kill())
		k.look(t)
		k.advance(t, k.head+1)
		if s.way == emptied {
			must(t, os.RemoveAll(k.c.DataDir(s.process)))
		}
		must(t, p.StartWith(failpoint.Armed(s.name)))
	case retrying:
		k.bring(t, step{process: s.process, name: "proposalRecorded"})
		must(t, p.Kill())
		must(t, p.StartWith(failpoint.Armed(s.name)))
	case stopping:
		must(t, steps.Arm(ctx, s.name))
		must(t, p.Signal(syscall.SIGTERM))
	case leaving:
		must(t, steps.Arm(ctx, s.name))
		asking, stop := context.WithCancel(ctx)
		var asked sync.WaitGroup
		asked.Go(func() { leave(asking, k.c.Conn(s.process)) })
		defer asked.Wait()
		defer stop()
	default:
		must(t, steps.Arm(ctx, s.name))
	}
	if err := steps.Reached(ctx, s.name); err != nil {
		t.Fatalf("%s: %v", s.process, err)
	}
}

// leave has a keyholder leave the first view of the number that it takes part in, again and again until ctx ends.
func leave(ctx context.Context, conn *grpc.ClientConn) {
	keyholder := keyholderv1.NewKeyholderServiceClient(conn)
	for {
		status, err := keyholder.GetStatus(ctx, &keyholderv1.GetStatusRequest{})
		for _, number := range []uint64{status.GetLastNumber() + 1, status.GetLastNumber()} {
			if err != nil {
				continue
			}
			// What it holds becomes final only with the next number: then another try succeeds.
			_, _ = keyholder.ChangeView(ctx, &keyholderv1.ChangeViewRequest{CommitteeHash: status.GetCommitteeHash(), Number: number, View: 1})
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// look takes note of the head; of a producer that does not answer, the last one seen stays.
func (k *killer) look(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if head, err := k.direct.BlockNumber(ctx); err == nil {
		k.head = head
	}
}

// advance waits for a head above n. The block after the one that was the head at a kill may have been decided before it;
// the one after that was not.
func (k *killer) advance(t *testing.T, n uint64) {
	t.Helper()
	k.head = headAbove(t, k.direct, n)
}
