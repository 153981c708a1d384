package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/history"
	"blindseq/e2e/rest"
)

// downtime is how long a killed service stays away, under load.
const downtime = time.Second

func TestTheChainContinuesAfterEachServiceIsKilledUnderLoad(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{})
	client, accounts := wallet(t, c)
	api := rest.New(c.REST, 4)
	t.Cleanup(api.Close)
	o := watched(t, c, client, accounts[:6], 10*time.Millisecond)
	for _, name := range cluster.Services() {
		t.Run(name, func(t *testing.T) { o.killAndRestart(t, api, name) })
	}
	o.judge(t)
}

func TestTheChainContinuesAfterRedisLosesAllData(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{})
	client, accounts := wallet(t, c)
	api := rest.New(c.REST, 4)
	t.Cleanup(api.Close)
	o := watched(t, c, client, accounts[:6], 10*time.Millisecond)
	o.Add(func(h *history.History) { h.Wiped = true })
	o.killAndRestart(t, api, cluster.Redis)
	o.judge(t)
}

// killAndRestart kills a service while transactions and a produce_block call are on their way, starts it again, and
// waits until transactions sent after that are in blocks and the call is answered.
func (o *observation) killAndRestart(t *testing.T, api *rest.Client, name string) {
	o.progress(t)
	called := make(chan history.Call, 1)
	go func() { called <- o.produce(t, api, "during-kill-of-"+name) }()
	p := o.c.Process(name)
	must(t, p.Kill())
	select {
	case <-time.After(downtime):
	case <-t.Context().Done():
	}
	must(t, p.Start())
	began := o.Now()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, p.AwaitReady(ctx))
	ready := o.Now()
	o.progress(t)
	if call := <-called; call.Err != "" {
		t.Errorf("call %s was not answered: %s", call.Request, call.Err)
	}
	t.Logf("%s: ready %s after its start, blocks with new transactions %s after it",
		name, (ready - began).Round(time.Millisecond), (o.Now() - began).Round(time.Millisecond))
}

// progress waits until transactions are acknowledged and put in blocks that were not when it was called, several of
// both.
func (o *observation) progress(t *testing.T) {
	t.Helper()
	before, head := o.acks(), headAbove(t, o.client, 0)
	eventually(t, "new acknowledged transactions", func(context.Context) (bool, error) {
		n := o.acks()
		return n >= before+20, fmt.Errorf("%d before, %d now", before, n)
	})
	var last history.Ack
	o.Add(func(h *history.History) { last = h.Acks[len(h.Acks)-1] })
	receipt(t, o.client, last.Tx)
	headAbove(t, o.client, head+5)
}
