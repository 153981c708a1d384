package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/history"
	"blindseq/e2e/load"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

const (
	// missedEnv sets how many blocks are missed: `make catch-up` has 10,000 of them.
	missedEnv     = "BLINDSEQ_E2E_MISSED"
	missedDefault = 600
	// caughtUpWithin bounds catching up with 10,000 blocks.
	caughtUpWithin = time.Minute

	observer2 = "observer-2"
)

// The producer's disk is exchanged for one of long ago, as from a backup; then observers begin with an empty one.
func TestAProducerWithAnOldDiskCatchesUpAndObserversDoSoFromGenesis(t *testing.T) {
	missed := uint64(missedDefault)
	if text := os.Getenv(missedEnv); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		must(t, err)
		missed = n
	}
	c := start(t, cluster.Options{
		Replicas: []cluster.Replica{{Name: observer, Observer: true}, {Name: observer2, Observer: true}},
		Args:     map[string][]string{cluster.Producer: {"--time-between-blocks", "1ms"}},
	})
	client, accounts := wallet(t, c)
	first := headAbove(t, client, 20)
	must(t, c.Process(cluster.Producer).Stop())
	backup := t.TempDir()
	must(t, os.CopyFS(backup, os.DirFS(c.DataDir(cluster.Producer))))
	began := time.Now()
	restart(t, c, cluster.Producer)
	head := makeBlocks(t, client, accounts[:3], first+missed)
	t.Logf("%d blocks with transactions made in %s", missed, time.Since(began).Round(time.Second))

	must(t, c.Process(cluster.Producer).Kill())
	last, err := lastOf(t, c, observer, head)
	must(t, err)
	must(t, os.RemoveAll(c.DataDir(cluster.Producer)))
	must(t, os.CopyFS(c.DataDir(cluster.Producer), os.DirFS(backup)))
	catchUp(t, c, last, cluster.Producer)

	for _, name := range []string{observer, observer2} {
		must(t, c.Process(name).Kill())
		must(t, os.RemoveAll(c.DataDir(name)))
	}
	catchUp(t, c, last, observer, observer2)
}

// makeBlocks waits, under some load, until the head is at a number.
func makeBlocks(t *testing.T, client *ethclient.Client, senders []*load.Account, until uint64) (head uint64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, len(senders))
	for _, a := range senders {
		go func() { ended <- load.Stream(ctx, client, a, 20*time.Millisecond, history.NewRecorder()) }()
	}
	for head < until {
		head = headAbove(t, client, head)
	}
	cancel()
	for range senders {
		must(t, <-ended)
	}
	return head
}

// lastOf is the last block of a replica that has at least some number, once it stays the last.
func lastOf(t *testing.T, c *cluster.Cluster, name string, least uint64) (last *types.Header, err error) {
	t.Helper()
	client, err := ethclient.DialContext(t.Context(), c.RPCOf(name))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	eventually(t, "the last block at "+name, func(ctx context.Context) (bool, error) {
		now, err := client.HeaderByNumber(ctx, nil)
		settled := err == nil && last != nil && now.Number.Cmp(last.Number) == 0 && now.Number.Uint64() >= least
		last = now
		return settled, err
	})
	return last, nil
}

// catchUp starts replicas and takes the time until each has a block.
func catchUp(t *testing.T, c *cluster.Cluster, last *types.Header, names ...string) {
	t.Helper()
	began := time.Now()
	for _, name := range names {
		must(t, c.Process(name).Start())
	}
	for _, name := range names {
		progress := reach(t, c, name, last)
		took := time.Since(began)
		t.Logf("%s has block %d, %s after its start; its readiness said %q", name, last.Number, took.Round(10*time.Millisecond), progress)
		if took > caughtUpWithin {
			t.Errorf("it took %s, at most %s are allowed", took, caughtUpWithin)
		}
	}
}

// reach waits until a replica has a block, and returns what its readiness said of its progress on the way.
func reach(t *testing.T, c *cluster.Cluster, name string, last *types.Header) (progress string) {
	t.Helper()
	client, err := ethclient.DialContext(t.Context(), c.RPCOf(name))
	must(t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*caughtUpWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := client.HeaderByNumber(ctx, last.Number)
		switch {
		case err == nil && got.Hash() == last.Hash() && got.Root == last.Root:
			return progress
		case err == nil:
			t.Fatalf("block %d of %s is %s with root %s, should be %s with %s", last.Number, name, got.Hash(), got.Root, last.Hash(), last.Root)
		}
		if said := catchingUp(ctx, c.Ops(name)); said != "" {
			progress = said
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s does not have block %d: %v; last said %q", name, last.Number, err, progress)
		}
	}
}

// catchingUp is the part of a readiness answer that tells of progress.
func catchingUp(ctx context.Context, ops string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/readyz", ops), nil)
	if err != nil {
		return ""
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 4096)) // a part is as good
	_, after, found := strings.Cut(string(body), "catching up: ")
	if !found {
		return ""
	}
	said, _, _ := strings.Cut(after, `"`)
	return "catching up: " + said
}
