package producer

import (
	"blindseq/producer-svc/internal/ledger"
	"blindseq/producer-svc/logrecord"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"blindseq/kit/content"
	"blindseq/kit/redistest"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/fakes"
	"blindseq/producer-svc/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// missed is how many preblocks are missed; `make catch-up` has 10,000 of them.
func missed(t *testing.T) int {
	t.Helper()
	text := os.Getenv("BLINDSEQ_E2E_MISSED")
	if text == "" {
		return 300
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// fixed has the DSN fix preblocks of one transfer each, on the EVM's own blocks, and returns the head they lead to.
func fixed(t *testing.T, order *fakes.Order, n int) section.Head {
	t.Helper()
	c, err := chain.Open(chain.Config{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	from := newWallet(t, 0)
	at := time.Now().Unix()
	for range n {
		number, hash, _ := c.Head()
		p := fakes.Preblock(section.Head{Number: number, Hash: content.Hash(hash)}, &proposalv1.RequestProposalRequest{
			RequestId: "missed-" + strconv.FormatUint(number+1, 10), Timestamp: &timestamppb.Timestamp{Seconds: at},
		}, [][]byte{raw(t, from.transaction(t, nil))}, nil)
		rec, err := logrecord.Of(p, logrecord.Parent{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Apply(context.WithoutCancel(t.Context()), ledger.BlockOf(rec, ledger.Bars{})); err != nil {
			t.Fatal(err)
		}
		order.Fix(p)
	}
	number, hash, timestamp := c.Head()
	return section.Head{Number: number, Hash: content.Hash(hash), Time: int64(timestamp)}
}

func TestMissedPreblocksAreAppliedByStreamBeforeAProducerLeads(t *testing.T) {
	order, err := fakes.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(order.Stop)
	head := fixed(t, order.Order, missed(t))
	redis := redistest.Mini(t)
	n := &node{cfg: testConfig(t, redis, order), order: order, redis: redis}
	began := time.Now()
	n.start(t) // returns when it leads
	took := time.Since(began)
	t.Logf("%d missed preblocks applied, and leading, in %s: %.0f a second", head.Number, took.Round(time.Millisecond), float64(head.Number)/took.Seconds())
	if n.ledger.Head() != head || n.disk.Log.Last() != head.Number || n.feed.Head() != head.Number {
		t.Fatalf("head %+v, want %+v; log %d, feed %d", n.ledger.Head(), head, n.disk.Log.Last(), n.feed.Head())
	}
	if streams, single := order.Calls("stream"), order.Calls("get"); streams != 1 || single > 17 {
		t.Errorf("%d streams, %d single calls", streams, single)
	}
	if took > time.Minute {
		t.Errorf("it took %s, at most a minute is allowed", took)
	}
	n.stop()
	if err := os.RemoveAll(filepath.Join(n.cfg.DataDir, "chain")); err != nil { // the log alone has it all
		t.Fatal(err)
	}
	n.start(t)
	if block := n.produce(t, &blueprintv1.ProduceBlockRequest{}); block.GetNumber() != head.Number+1 {
		t.Errorf("got %v", block)
	}
}
