package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/history"
	"blindseq/e2e/rest"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"github.com/ethereum/go-ethereum/common"
)

// secondsEnv is how long the contention lasts, 15 s if not set.
const secondsEnv = "BLINDSEQ_E2E_SECONDS"

const (
	callers  = 64
	inARound = 5 // blocks that each asks for before all rest
)

func TestProduceBlockCallersAndTheLoopShareTheLock(t *testing.T) {
	lasting := 15 * time.Second
	if s := os.Getenv(secondsEnv); s != "" {
		n, err := strconv.Atoi(s)
		must(t, err)
		lasting = time.Duration(n) * time.Second
	}
	c := start(t, cluster.Options{})
	client, accounts := wallet(t, c)
	api := rest.New(c.REST, callers)
	t.Cleanup(api.Close)

	o := watched(t, c, client, accounts[:4], 20*time.Millisecond)
	rounds := 0
	for began := time.Now(); time.Since(began) < lasting && !t.Failed(); rounds++ {
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() { o.call(t, api, fmt.Sprintf("caller-%d-%d", i, rounds)) })
		}
		all.Wait()
		o.loopHasItsTurn(t)
	}
	h := o.judge(t)

	byLoop := 0
	for _, r := range h.Records {
		if !strings.HasPrefix(r.GetRequestId(), "caller-") {
			byLoop++
		}
	}
	if len(h.Calls) != rounds*callers*(inARound+1) || byLoop < rounds {
		t.Fatalf("%d calls answered, %d blocks of the loop in %d rounds", len(h.Calls), byLoop, rounds)
	}
	t.Logf("in %s and %d rounds: %d calls answered, %d blocks made by the loop", lasting, rounds, len(h.Calls), byLoop)
}

// loopHasItsTurn waits for a block that no caller asked for: callers go first, and while one waits the loop makes none.
func (o *observation) loopHasItsTurn(t *testing.T) {
	t.Helper()
	begun, err := o.client.BlockNumber(t.Context())
	must(t, err)
	eventually(t, "a block that no caller asked for", func(ctx context.Context) (bool, error) {
		head, err := o.client.BlockNumber(ctx)
		return head > begun, err
	})
}

// call makes the blocks of a caller's round, the last with an id that is then repeated.
func (o *observation) call(t *testing.T, api *rest.Client, name string) {
	for i := range inARound {
		id := fmt.Sprintf("%s-%d", name, i)
		times := 1
		if i == inARound-1 {
			times = 2
		}
		for range times {
			answered := o.produce(t, api, id)
			if answered.Err != "" {
				t.Errorf("call %s was not answered: %s", id, answered.Err)
				return
			}
		}
	}
}

// produce makes one call, again with the same id while the answer is "not now", and records it.
func (o *observation) produce(t *testing.T, api *rest.Client, id string) history.Call {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	call := history.Call{Request: id, Start: o.Now()}
	for {
		answer, err := api.ProduceBlock(ctx, id, "")
		if err == nil {
			answered(&call, answer)
			break
		}
		if ctx.Err() != nil || !notNow(err) {
			call.Err = err.Error()
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	call.End = o.Now()
	o.Add(func(h *history.History) { h.Calls = append(h.Calls, call) })
	return call
}

func answered(call *history.Call, answer *gatewayv1.ProduceBlockResponse) {
	call.Reason = answer.GetNoBlock().GetReason()
	if b := answer.GetBlock(); b != nil {
		call.Number, call.Hash, call.Transactions = b.GetNumber(), common.HexToHash(b.GetHash()), b.GetTransactions()
	}
	if answer.GetRequestId() != call.Request {
		call.Err = fmt.Sprintf("answered with request id %q", answer.GetRequestId())
	}
}

// notNow reports whether a call may be retried: the service is down or busy.
func notNow(err error) bool {
	var answer *rest.Error
	if !errors.As(err, &answer) {
		return true // the connection broke or was refused
	}
	return answer.Status == http.StatusServiceUnavailable || answer.Status == http.StatusTooManyRequests ||
		answer.Status == http.StatusBadGateway
}
