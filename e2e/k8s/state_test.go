package k8s

import (
	"context"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"blindseq/e2e/k8s/kube"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	corev1 "k8s.io/api/core/v1"
)

// blocksEnv is how many blocks observers catch up with, 1,000 if not set.
const blocksEnv = "BLINDSEQ_K8S_BLOCKS"

const observers = "statefulset.apps/producer-observer"

// Two observers with nothing come to the state of the others from the genesis block on.
func TestTwoObserversCatchUpFromGenesisAndReachTheSameState(t *testing.T) {
	blocks := uint64(1000)
	if text := os.Getenv(blocksEnv); text != "" {
		var err error
		blocks, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	s := open(t)
	usual, err := s.Replicas(t.Context(), observers)
	must(t, err)
	s.fill(t, blocks)
	t.Cleanup(func() {
		if err := s.Scale(context.WithoutCancel(t.Context()), observers, usual); err != nil {
			t.Error(err)
		}
	})
	must(t, s.Scale(t.Context(), observers, 0))
	s.gone(t, observers, 0)
	_, err = s.Kubectl(t.Context(), "delete", "pvc", "data-producer-observer-0", "data-producer-observer-1", "--ignore-not-found")
	must(t, err)

	want, err := s.rpc.HeaderByNumber(t.Context(), new(big.Int).SetUint64(blocks))
	must(t, err)
	began := time.Now()
	_, err = s.Kubectl(t.Context(), "scale", observers, "--replicas=2")
	must(t, err)
	var caught sync.WaitGroup
	defer caught.Wait()
	for i := range 2 {
		caught.Go(func() {
			got, took := s.catchesUp(t, fmt.Sprintf("producer-observer-%d", i), blocks)
			if got == nil {
				return
			}
			if got.Root != want.Root || got.Hash() != want.Hash() {
				t.Errorf("observer %d has block %d as %s with state %s, the gateway as %s with %s", i, blocks, got.Hash(), got.Root, want.Hash(), want.Root)
			}
			t.Logf("observer %d: %d blocks in %s, %.0f a second (%s after the pod was asked for), state root %s",
				i, blocks, took.Round(time.Millisecond), float64(blocks)/took.Seconds(), time.Since(began).Round(time.Millisecond), got.Root)
		})
	}
	caught.Wait()
	must(t, s.AwaitRollout(t.Context(), observers))
}

// catchesUp waits until a pod has a block, and returns its header and how long it took from when the pod served.
func (s *system) catchesUp(t *testing.T, pod string, number uint64) (header *types.Header, took time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var served time.Time
	for ctx.Err() == nil {
		if client, err := s.ofPod(ctx, pod); err == nil {
			if _, err := client.BlockNumber(ctx); err == nil && served.IsZero() {
				served = time.Now()
			}
			header, err = client.HeaderByNumber(ctx, new(big.Int).SetUint64(number))
			client.Close()
			if err == nil {
				return header, time.Since(served)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	t.Errorf("%s has no block %d", pod, number)
	return nil, 0
}

func (s *system) ofPod(ctx context.Context, name string) (*ethclient.Client, error) {
	var pod corev1.Pod
	if err := s.Get(ctx, &pod, "pod", name); err != nil {
		return nil, err
	}
	return ethclient.DialContext(ctx, "http://"+kube.Address(pod, "rpc"))
}

// fillers is how many callers ask for blocks at once.
const fillers = 8

// fill makes blocks on demand, with a transfer in most of them, until there are so many.
func (s *system) fill(t *testing.T, blocks uint64) {
	t.Helper()
	began := time.Now()
	first, err := s.rpc.BlockNumber(t.Context())
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	accounts := s.accounts(t)
	for i := range fillers {
		all.Go(func() {
			for ctx.Err() == nil {
				tx, err := accounts[i].Transfer(accounts[i].Address)
				if err == nil {
					err = s.rpc.SendTransaction(ctx, tx)
				}
				number := uint64(0)
				if err == nil {
					number, err = s.produce(ctx)
				}
				if err != nil && ctx.Err() == nil {
					t.Errorf("make blocks: %v", err)
				}
				if err != nil || number >= blocks {
					stop()
				}
			}
		})
	}
	all.Wait()
	last, err := s.rpc.BlockNumber(t.Context())
	must(t, err)
	if last < blocks {
		t.Fatalf("there are only %d blocks of %d", last, blocks)
	}
	t.Logf("made %d blocks in %s, there are %d", last-first, time.Since(began).Round(time.Second), last)
}
