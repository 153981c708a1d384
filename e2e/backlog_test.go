package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/load"
	"blindseq/e2e/usage"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/core/types"
	"golang.org/x/sync/errgroup"
)

const (
	// backlogEnv asks for another number of pending transactions than backlogSize.
	backlogEnv  = "BLINDSEQ_E2E_BACKLOG"
	backlogSize = 100_000
	// backlogAccounts send them, in batches of backlogBatch over backlogSenders connections.
	backlogAccounts = 1000
	backlogSenders  = 4
	backlogBatch    = 500

	// memoryLimit holds for every process, all the time.
	memoryLimit = 512 * mebibyte
	// idleAgain is how long the memory of a backlog may take to go, and idleMore how much of it may stay.
	idleAgain = time.Minute
	idleMore  = 64 * mebibyte
	// warmUp is sent before idle sizes are read: a process that has never worked has neither its caches nor even all of
	// its own code in memory.
	warmUp   = 20_000
	idleTime = 15 * time.Second
	// drainTimeout bounds the time until the backlog is in blocks.
	drainTimeout = 5 * time.Minute
)

// A hundred thousand transactions are acknowledged while the pool is locked, and then put into blocks. No process ever
// exceeds its memory limit, and afterwards each is back at its idle size.
func TestMemoryIsBoundedUnderABacklogAndReleasedAfterIt(t *testing.T) {
	size := backlogSize
	if text := os.Getenv(backlogEnv); text != "" {
		var err error
		size, err = strconv.Atoi(text)
		must(t, err)
	}
	accounts, err := load.Accounts(backlogAccounts)
	must(t, err)
	c := start(t, cluster.Options{ChainID: load.ChainID, Args: map[string][]string{cluster.Producer: {"--genesis", genesisFile(t, accounts)}}})
	admin := blueprintv1.NewAdminServiceClient(c.Conn(cluster.Producer))
	must(t, fill(t.Context(), c.RPC, accounts, warmUp))
	drain(t, c)
	select {
	case <-time.After(idleTime):
	case <-t.Context().Done():
	}
	idle := memory(t, c)

	lockPool(t, admin, true)
	began := time.Now()
	must(t, fill(t.Context(), c.RPC, accounts, size))
	t.Logf("%d transactions acknowledged in %s", size, time.Since(began).Round(time.Millisecond))
	full := memory(t, c)

	lockPool(t, admin, false)
	began = time.Now()
	drain(t, c)
	t.Logf("all of them in blocks after %s", time.Since(began).Round(time.Millisecond))

	after := calm(t, c, idle)
	for _, name := range cluster.Services() {
		t.Logf("%-13s idle %4d MiB, with the backlog %4d, at most %4d, after %4d; %s of processor time for its way into blocks",
			name, idle[name].Resident/mebibyte, full[name].Resident/mebibyte, after[name].Peak/mebibyte, after[name].Resident/mebibyte,
			(after[name].CPU - full[name].CPU).Round(10*time.Millisecond))
		if after[name].Peak > memoryLimit {
			t.Errorf("%s had %d MiB in memory", name, after[name].Peak/mebibyte)
		}
		if after[name].Resident > idle[name].Resident+idleMore {
			t.Errorf("%s keeps %d MiB in memory, it had %d", name, after[name].Resident/mebibyte, idle[name].Resident/mebibyte)
		}
	}
}

func genesisFile(t *testing.T, accounts []*load.Account) string {
	t.Helper()
	raw, err := load.Genesis(accounts)
	must(t, err)
	path := filepath.Join(t.TempDir(), "genesis.json")
	must(t, os.WriteFile(path, raw, 0o600))
	return path
}

func memory(t *testing.T, c *cluster.Cluster) map[string]usage.Sample {
	t.Helper()
	samples, err := c.Usage()
	must(t, err)
	return samples
}

// fill sends transfers, signed on the way: a hundred thousand of them kept here would be a backlog of the test's own.
func fill(ctx context.Context, url string, accounts []*load.Account, total int) error {
	senders, ctx := errgroup.WithContext(ctx)
	share := len(accounts) / backlogSenders
	for i := range backlogSenders {
		mine := accounts[i*share : (i+1)*share]
		senders.Go(func() error { return sendAll(ctx, url, mine, total/backlogSenders) })
	}
	return senders.Wait()
}

func sendAll(ctx context.Context, url string, accounts []*load.Account, total int) error {
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	for sent := 0; sent < total; {
		n := min(backlogBatch, total-sent)
		txs := make([]*types.Transaction, 0, n)
		for range n {
			from := accounts[(sent+len(txs))%len(accounts)]
			tx, err := from.Transfer(accounts[0].Address)
			if err != nil {
				return err
			}
			txs = append(txs, tx)
		}
		batch, err := load.NewBatch(txs)
		if err != nil {
			return err
		}
		acknowledged, err := batch.Send(ctx, client, url)
		if err != nil {
			return fmt.Errorf("%d of %d acknowledged: %w", acknowledged, n, err)
		}
		sent += n
	}
	return nil
}

// drain waits until nothing is pending.
func drain(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), drainTimeout)
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	client := blueprintv1.NewProducerServiceClient(c.Conn(cluster.Producer))
	for {
		s, err := client.GetStatus(ctx, &blueprintv1.GetStatusRequest{})
		must(t, err)
		if s.GetPoolPending()+s.GetPoolQueued() == 0 {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("%d transactions are pending after %s", s.GetPoolPending(), drainTimeout)
		}
	}
}

// calm waits until every service has its idle size again, or as long as that may take, and returns what they have then.
func calm(t *testing.T, c *cluster.Cluster, idle map[string]usage.Sample) (now map[string]usage.Sample) {
	t.Helper()
	began := time.Now()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		now = memory(t, c)
		large := ""
		for _, name := range cluster.Services() {
			if now[name].Resident > idle[name].Resident+idleMore {
				large = name
			}
		}
		if large == "" || time.Since(began) > idleAgain {
			t.Logf("looked at memory %s after the last block", time.Since(began).Round(time.Second))
			return now
		}
		select {
		case <-look.C:
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}
