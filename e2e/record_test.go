package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/history"
	"blindseq/e2e/load"
	"blindseq/e2e/observe"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

// observation is a run that is being recorded: transactions are sent, and the feed and the proposer are watched.
type observation struct {
	*history.Recorder
	c       *cluster.Cluster
	client  *ethclient.Client // of the gateway
	bundled sync.Map          // by sender: the *ethclient.Client of its bundler, which alone knows its transactions before they are in a block
	send    func(a *load.Account, stream func(ctx context.Context) error)

	stopLoad, stopWatch context.CancelFunc
	load, watch         sync.WaitGroup
}

// watched starts recording a cluster under the load of the given accounts, each sending a transfer every pace.
func watched(t *testing.T, c *cluster.Cluster, client *ethclient.Client, senders []*load.Account, pace time.Duration) *observation {
	t.Helper()
	o := &observation{Recorder: history.NewRecorder(), c: c, client: client}
	loading, stopLoad := context.WithCancel(t.Context())
	watching, stopWatch := context.WithCancel(t.Context())
	o.stopLoad, o.stopWatch = stopLoad, stopWatch
	o.send = func(a *load.Account, stream func(ctx context.Context) error) {
		o.load.Go(func() {
			if err := stream(loading); err != nil {
				t.Errorf("load of %s: %v", a.Address, err)
			}
		})
	}
	for _, a := range senders {
		o.send(a, func(ctx context.Context) error { return load.Stream(ctx, client, a, pace, o.Recorder) })
	}
	o.watch.Go(func() { observe.Feed(watching, c.Conn(cluster.Producer), "feed", o.Recorder) })
	o.watch.Go(func() { observe.Proposals(watching, c.Conn(cluster.Proposer), 20*time.Millisecond, o.Recorder) })
	o.watch.Go(func() { o.lookAfter(watching) })
	t.Cleanup(func() { stopLoad(); stopWatch(); o.load.Wait(); o.watch.Wait() })
	return o
}

// lookAfter keeps asking for the transactions acknowledged last, as wallets do. What is not answered is left out.
func (o *observation) lookAfter(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var recent []history.Ack
		o.Add(func(h *history.History) { recent = slices.Clone(h.Acks[max(0, len(h.Acks)-20):]) })
		if len(recent) > 0 {
			_, _ = o.lookup(ctx, recent)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// acks is how many transactions have been acknowledged so far.
func (o *observation) acks() (n int) {
	o.Add(func(h *history.History) { n = len(h.Acks) })
	return n
}

// judge ends the load, waits until every acknowledged transaction is in a block, stops the services with SIGTERM,
// collects what they left and fails the test for every invariant broken.
func (o *observation) judge(t *testing.T) *history.History {
	t.Helper()
	o.stopLoad()
	o.load.Wait()
	o.awaitReceipts(t)
	o.stopWatch()
	o.watch.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	head, err := observe.Blocks(ctx, o.client, "rpc", o.Recorder)
	must(t, err)
	must(t, observe.Preblocks(ctx, o.c.Conn(cluster.Monitor), head, o.Recorder))
	o.client.Close()
	must(t, o.c.StopAll())
	must(t, observe.Log(filepath.Join(o.c.DataDir(cluster.Producer), "log"), o.Recorder))
	must(t, observe.Key(o.c.SequencerKey(), o.Recorder))
	h := o.History()
	for _, v := range history.Check(h) {
		t.Error(v)
	}
	t.Logf("%d blocks, %d acknowledged transactions, %d produce_block calls, %d listings, %d records: %d blueprints seen",
		h.Head, len(h.Acks), len(h.Calls), len(h.Listings), len(h.Records), len(h.Blueprints))
	return h
}

// awaitReceipts waits until every acknowledged transaction has a receipt, looking each of them up.
func (o *observation) awaitReceipts(t *testing.T) {
	t.Helper()
	var open []history.Ack
	o.Add(func(h *history.History) {
		open = slices.DeleteFunc(slices.Clone(h.Acks), func(a history.Ack) bool { return h.Ended[a.Tx] != "" })
	})
	eventually(t, "a receipt of every acknowledged transaction", func(ctx context.Context) (bool, error) {
		still, err := o.lookup(ctx, open)
		if err != nil {
			return false, err
		}
		open = still
		return len(open) == 0, fmt.Errorf("%d have none, the first is %s", len(open), first(open))
	})
}

func first(acks []history.Ack) common.Hash {
	if len(acks) == 0 {
		return common.Hash{}
	}
	return acks[0].Tx
}

// lookup asks for transactions and returns those that are in no block yet; each answer is recorded.
func (o *observation) lookup(ctx context.Context, acks []history.Ack) (open []history.Ack, err error) {
	started := o.Now()
	places, err := o.places(ctx, acks)
	if err != nil {
		return nil, err
	}
	for i, a := range acks {
		if places[i].BlockNumber == nil {
			open = append(open, a)
		}
		o.Add(func(h *history.History) {
			h.Lookups = append(h.Lookups, history.Lookup{Tx: a.Tx, Started: started, Found: places[i].known()})
		})
	}
	return open, nil
}

// place is what is said of a transaction: by eth_getTransactionByHash, which gives null for an unknown one, or, of a
// sealed one, which nobody can show before it is opened, by te_getTransactionStatus.
type place struct {
	Hash        *common.Hash    `json:"hash"`
	Status      string          `json:"status"`
	BlockNumber *hexutil.Uint64 `json:"blockNumber"`
}

func (p place) known() bool { return p.Hash != nil || p.Status != "" && p.Status != "unknown" }

// askedBy is whom a sender asks: the gateway, or its bundler.
func (o *observation) askedBy(sender string) *ethclient.Client {
	if bundler, ok := o.bundled.Load(sender); ok {
		return bundler.(*ethclient.Client)
	}
	return o.client
}

func (o *observation) places(ctx context.Context, acks []history.Ack) (places []place, err error) {
	const batch = 500
	for some := range slices.Chunk(acks, batch) {
		results := make([]place, len(some))
		calls := map[*ethclient.Client][]rpc.BatchElem{}
		for i, a := range some {
			method := "eth_getTransactionByHash"
			if a.Sealed {
				method = "te_getTransactionStatus"
			}
			to := o.askedBy(a.By)
			calls[to] = append(calls[to], rpc.BatchElem{Method: method, Args: []any{a.Tx}, Result: &results[i]})
		}
		for to, all := range calls {
			if err := to.Client().BatchCallContext(ctx, all); err != nil {
				return nil, err
			}
			for _, call := range all {
				if call.Error != nil {
					return nil, call.Error
				}
			}
		}
		places = append(places, results...)
	}
	return places, nil
}
