package e2e

import (
	"context"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/history"
	"blindseq/e2e/load"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

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

// The producer's disk is exchanged for one of long ago, as from a backup; then two observers begin with empty ones.
func TestAProducerWithAnOldDiskCatchesUpAndObserversDoSoFromGenesis(t *testing.T) {
	t.Parallel()
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
	for _, name := range []string{observer, observer2} {
		must(t, c.Process(name).Kill())
		must(t, os.RemoveAll(c.DataDir(name)))
	}
	backup := t.TempDir()
	must(t, os.CopyFS(backup, os.DirFS(c.DataDir(cluster.Producer))))
	began := time.Now()
	restart(t, c, cluster.Producer)
	makeBlocks(t, client, accounts[:3], first+missed)
	t.Logf("%d blocks with transactions made in %s", missed, time.Since(began).Round(time.Second))

	must(t, c.Process(cluster.Producer).Kill())
	status, err := preblockv1.NewMonitorServiceClient(c.Conn(cluster.Monitor)).GetStatus(t.Context(), &preblockv1.GetStatusRequest{})
	must(t, err)
	last := status.GetLastPreblockNumber()
	must(t, os.RemoveAll(c.DataDir(cluster.Producer)))
	must(t, os.CopyFS(c.DataDir(cluster.Producer), os.DirFS(backup)))
	want := catchUp(t, c, last, cluster.Producer)[0]
	must(t, c.Process(cluster.Producer).Kill())
	for _, got := range catchUp(t, c, last, observer, observer2) {
		if got.Hash() != want.Hash() || got.Root != want.Root {
			t.Errorf("block %d is %s with root %s, should be %s with %s", last, got.Hash(), got.Root, want.Hash(), want.Root)
		}
	}
}

// makeBlocks waits, under some load, until the head is at a number.
func makeBlocks(t *testing.T, client *ethclient.Client, senders []*load.Account, until uint64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, len(senders))
	for _, a := range senders {
		go func() { ended <- load.Stream(ctx, client, a, 20*time.Millisecond, history.NewRecorder()) }()
	}
	for head := uint64(0); head < until; {
		head = headAbove(t, client, head)
	}
	cancel()
	for range senders {
		must(t, <-ended)
	}
}

// catchUp starts replicas, takes the time until each has a block, and returns the block of each.
func catchUp(t *testing.T, c *cluster.Cluster, last uint64, names ...string) (headers []*types.Header) {
	t.Helper()
	began := time.Now()
	for _, name := range names {
		must(t, c.Process(name).Start())
	}
	for _, name := range names {
		header, progress := reach(t, c, name, last)
		headers = append(headers, header)
		took := time.Since(began)
		t.Logf("%s has block %d, %s after its start; its readiness said %q", name, last, took.Round(10*time.Millisecond), progress)
		if took > caughtUpWithin {
			t.Errorf("it took %s, at most %s are allowed", took, caughtUpWithin)
		}
	}
	return headers
}

// reach waits until a replica has a block, and returns it with what its readiness said of its progress on the way.
func reach(t *testing.T, c *cluster.Cluster, name string, last uint64) (header *types.Header, progress string) {
	t.Helper()
	client, err := ethclient.DialContext(t.Context(), c.RPCOf(name))
	must(t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*caughtUpWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		header, err := client.HeaderByNumber(ctx, new(big.Int).SetUint64(last))
		if err == nil {
			return header, progress
		}
		if said := catchingUp(ctx, c.Ops(name)); said != "" {
			progress = said
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s does not have block %d: %v; last said %q", name, last, err, progress)
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
