package api

import (
	"blindseq/producer-svc/contents"
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"blindseq/kit/content"
	"blindseq/kit/requestid"
	"blindseq/producer-svc/internal/demand"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// callers answers every request with block 7 and remembers the last.
type callers struct{ last *demand.Request }

func (d *callers) Produce(_ context.Context, r demand.Request) (demand.Result, error) {
	d.last = &r
	if r.ID == "none" {
		return demand.Result{Reason: preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_LOCKED}, nil
	}
	return demand.Result{Number: 7, Time: 1000, Transactions: 3}, nil
}

func TestProduceBlockChecksItsInput(t *testing.T) {
	for name, c := range map[string]struct {
		request *blueprintv1.ProduceBlockRequest
		key     string
		bad     bool
		id      string
	}{
		"nothing given":        {request: &blueprintv1.ProduceBlockRequest{}},
		"an id":                {request: &blueprintv1.ProduceBlockRequest{RequestId: "a"}, id: "a"},
		"an id in metadata":    {request: &blueprintv1.ProduceBlockRequest{}, key: "k", id: "k"},
		"the same in both":     {request: &blueprintv1.ProduceBlockRequest{RequestId: "a"}, key: "a", id: "a"},
		"another in both":      {request: &blueprintv1.ProduceBlockRequest{RequestId: "a"}, key: "b", bad: true},
		"a malformed id":       {request: &blueprintv1.ProduceBlockRequest{RequestId: "a b"}, bad: true},
		"an overlong id":       {request: &blueprintv1.ProduceBlockRequest{RequestId: strings.Repeat("a", 200)}, bad: true},
		"a fraction":           {request: &blueprintv1.ProduceBlockRequest{Timestamp: &timestamppb.Timestamp{Seconds: 5, Nanos: 1}}, bad: true},
		"before 1970":          {request: &blueprintv1.ProduceBlockRequest{Timestamp: &timestamppb.Timestamp{Seconds: -1}}, bad: true},
		"after the year 9999":  {request: &blueprintv1.ProduceBlockRequest{Timestamp: &timestamppb.Timestamp{Seconds: content.LastSecond + 1}}, bad: true},
		"the last second":      {request: &blueprintv1.ProduceBlockRequest{Timestamp: &timestamppb.Timestamp{Seconds: content.LastSecond}}},
		"without the delayed":  {request: &blueprintv1.ProduceBlockRequest{WithDelayedTransactions: proto.Bool(false)}},
		"with them explicitly": {request: &blueprintv1.ProduceBlockRequest{WithDelayedTransactions: proto.Bool(true)}},
	} {
		d := &callers{}
		ctx := t.Context()
		if c.key != "" {
			ctx = metadata.NewIncomingContext(ctx, metadata.Pairs(idempotencyKey, c.key))
		}
		answer, err := (&Producer{Callers: d}).ProduceBlock(ctx, c.request)
		if c.bad {
			if !errors.Is(err, ErrBadRequest) || d.last != nil {
				t.Errorf("%s: got %v", name, err)
			}
			continue
		}
		if err != nil || d.last == nil || d.last.ID != answer.GetRequestId() || requestid.Valid(d.last.ID) != nil || (c.id != "" && d.last.ID != c.id) {
			t.Errorf("%s: got %v, %v, made %+v", name, answer, err, d.last)
			continue
		}
		if want := c.request.WithDelayedTransactions == nil || c.request.GetWithDelayedTransactions(); d.last.WithDelayed != want {
			t.Errorf("%s: delayed %v", name, d.last.WithDelayed)
		}
		if d.last.Timestamp.IsZero() != (c.request.GetTimestamp() == nil) || answer.GetBlock().GetNumber() != 7 || answer.GetBlock().GetTransactions() != 3 {
			t.Errorf("%s: %v, made %+v", name, answer, d.last)
		}
	}
}

func TestProduceBlockSaysWhyThereIsNone(t *testing.T) {
	answer, err := (&Producer{Callers: &callers{}}).ProduceBlock(t.Context(), &blueprintv1.ProduceBlockRequest{RequestId: "none"})
	if no := answer.GetNoPreblock(); err != nil || no.GetRequestId() != "none" || no.GetReason() != preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_LOCKED {
		t.Fatalf("got %v, %v", answer, err)
	}
}

// pool is a chain with transactions of given sizes and a head that can move.
type pool struct {
	sizes        []int
	number       uint64
	gas          uint64 // of the next block
	taken        uint64 // gas that was promised to others
	moves        int    // how often the head moves while transactions are collected
	fork         int64  // when other rules begin; 0: never
	waits        bool   // for gas in a later block
	waitingBytes uint64 // of those that wait
}

func (p *pool) Waiting() bool { return p.waits }

func (p *pool) WaitingBytes() uint64 { return p.waitingBytes }

func (p *pool) Gas() uint64 { return p.gas }

// baseFee is that of each block.
const baseFee = 7

func (p *pool) BaseFee() uint64 { return baseFee }

func (p *pool) UpgradeDue(at int64) bool { return p.fork != 0 && at >= p.fork }

func (p *pool) Head() (uint64, content.Hash, int64) { return p.number, content.Hash{1}, 1000 }

func (p *pool) Transactions(_ context.Context, room, taken uint64) (txs [][]byte, err error) {
	p.taken = taken
	if p.moves > 0 {
		p.moves--
		p.number++
	}
	for _, size := range p.sizes {
		raw := bytes.Repeat([]byte{9}, size)
		if encoded := uint64(size + 4); encoded <= room {
			room -= encoded
			txs = append(txs, raw)
		}
	}
	return txs, nil
}

// sealed are sealed transactions of these sizes, as package sealedpool gives them, each of gas 1; each is full of its place.
type sealed []int

func (w sealed) Next(to *preblockv1.Content, share, room uint64) (raws [][]byte, size, gas uint64) {
	if to.GetNumber() != 1 || to.GetBaseFee() != baseFee {
		return nil, 0, 0
	}
	for i, n := range w {
		next := size + uint64(n+4)
		if next > room || i > 0 && next > share {
			break
		}
		raws, size, gas = append(raws, bytes.Repeat([]byte{byte(0x70 + i)}, n)), next, gas+1
	}
	return raws, size, gas
}

func TestSealedAndPlainTransactionsHaveEachTheirShare(t *testing.T) {
	const k = 1000
	fill := func(size, n int) (sizes []int) {
		for range n {
			sizes = append(sizes, size)
		}
		return sizes
	}
	for name, one := range map[string]struct {
		plain, sealed         []int
		share                 float64
		wantPlain, wantSealed int
	}{
		"both want all":           {fill(100*k, 9), fill(100*k, 9), 0.5, 3, 2},
		"few plain ones":          {fill(100*k, 1), fill(100*k, 9), 0.5, 1, 4},
		"few sealed ones":         {fill(100*k, 9), fill(100*k, 1), 0.5, 4, 1},
		"a small share":           {fill(50*k, 20), fill(30*k, 20), 0.1, 9, 1},
		"one larger than a share": {fill(50*k, 20), fill(130*k, 20), 0.1, 7, 1},
		"no sealed ones":          {fill(100*k, 9), nil, 0.5, 5, 0},
		"no plain ones":           {nil, fill(100*k, 9), 0.5, 0, 5},
	} {
		p := &pool{sizes: one.plain}
		c := assembler(p, nil)
		c.Sealed, c.Share = sealed(one.sealed), one.share
		answer, err := c.Next(t.Context(), 2000, true)
		if err != nil || content.Check(answer.GetContent()) != nil {
			t.Fatalf("%s: %v", name, err)
		}
		order := ""
		for _, tx := range answer.GetContent().GetTransactions() {
			order += string(tx[:1])
		}
		if want := "pqrstu"[:one.wantSealed] + strings.Repeat("\t", one.wantPlain); order != want {
			t.Errorf("%s: got %q, want %q", name, order, want)
		}
		if p.taken < uint64(one.wantSealed) {
			t.Errorf("%s: gas of %d was kept for %d sealed transactions", name, p.taken, one.wantSealed)
		}
	}
}

type delayed []contents.DelayedTransaction

func (d delayed) Pending() ([]contents.DelayedTransaction, error) { return d, nil }

func assembler(p *pool, d delayed) *contents.Assembler {
	return &contents.Assembler{Chain: p, Delayed: d, Locked: func() bool { return false }, Latest: func() int64 { return 1 << 40 }}
}

func TestDelayedTransactionsComeFirstAndTakeTheirShare(t *testing.T) {
	many := make(delayed, 500)
	c := assembler(&pool{sizes: []int{100_000, 100_000, 100_000, 100_000, 100_000, 90_000}}, many[:10])
	answer, err := c.Next(t.Context(), 2000, true)
	if err != nil || len(answer.GetContent().GetDelayedTransactionHashes()) != 10 || len(answer.GetContent().GetTransactions()) != 4 {
		t.Fatalf("%d delayed, %d plain, %v", len(answer.GetContent().GetDelayedTransactionHashes()), len(answer.GetContent().GetTransactions()), err)
	}
	if err := content.Check(answer.GetContent()); err != nil {
		t.Error(err)
	}
	if answer, err = c.Next(t.Context(), 2000, false); err != nil || len(answer.GetContent().GetDelayedTransactionHashes()) != 0 || len(answer.GetContent().GetTransactions()) != 5 {
		t.Errorf("without them: %v", err)
	}
	c = assembler(&pool{}, many)
	if answer, err = c.Next(t.Context(), 2000, true); err != nil || content.Check(answer.GetContent()) != nil {
		t.Fatalf("more than a blueprint holds: %v", err)
	}
	full := proto.CloneOf(answer.GetContent())
	full.DelayedTransactionHashes = append(full.DelayedTransactionHashes, make([]byte, 32))
	if content.Check(full) == nil {
		t.Error("one more would have fitted")
	}
}

func TestDelayedTransactionsTakeTheGasThatSealedOnesLeave(t *testing.T) {
	for gas, want := range map[uint64]int{0: 0, 50: 0, 60: 1, 69: 1, 70: 2, 1000: 3} {
		p := &pool{gas: gas}
		c := assembler(p, delayed{{Gas: 10}, {Gas: 10}, {Gas: 10}})
		c.Sealed, c.SealedGas, c.Share = sealed{100, 100}, 50, 0.5
		answer, err := c.Next(t.Context(), 2000, true)
		if got := len(answer.GetContent().GetDelayedTransactionHashes()); err != nil || got != want || p.taken != uint64(10*want+2) {
			t.Errorf("of %d: %d delayed ones, gas taken %d, %v, want %d", gas, got, p.taken, err, want)
		}
	}
}

func TestSealedTransactionsLeaveRoomForTheFirstThatWaits(t *testing.T) {
	for waits, want := range map[uint64]int{0: 5, 90_000: 4, 1 << 20: 3} {
		c := assembler(&pool{waits: waits > 0, waitingBytes: waits}, nil)
		c.Sealed, c.Share = sealed{100_000, 100_000, 100_000, 100_000, 100_000, 100_000}, 0.5
		answer, err := c.Next(t.Context(), 2000, true)
		if got := len(answer.GetContent().GetTransactions()); err != nil || got != want {
			t.Errorf("while %d bytes wait: %d sealed transactions, %v; want %d", waits, got, err, want)
		}
	}
}

func TestAProposalSaysThatSomethingWaits(t *testing.T) {
	for _, waits := range []bool{false, true} {
		if answer, err := assembler(&pool{waits: waits}, nil).Next(t.Context(), 2000, true); err != nil || answer.GetWaiting() != waits {
			t.Errorf("got %v, %v", answer, err)
		}
	}
}

func TestContentIsThatOfOneHead(t *testing.T) {
	for moves, want := range map[int]error{0: nil, 2: nil, 3: contents.ErrMoving} {
		p := &pool{sizes: []int{10}, number: 5, moves: moves}
		answer, err := assembler(p, nil).Next(t.Context(), 500, true)
		if !errors.Is(err, want) {
			t.Errorf("%d moves: %v", moves, err)
		}
		if err == nil && (answer.GetContent().GetNumber() != p.number+1 || answer.GetContent().GetTimestamp().GetSeconds() != 1000) {
			t.Errorf("%d moves: %v on head %d", moves, answer.GetContent(), p.number)
		}
	}
}

func TestEveryProposalNamesTheBaseFeeOfItsBlock(t *testing.T) {
	for name, p := range map[string]*pool{"filled": {sizes: []int{10}}, "an upgrade": {fork: 1}, "empty": {}} {
		answer, err := assembler(p, nil).Next(t.Context(), 2000, true)
		if err != nil || answer.GetContent().GetBaseFee() != baseFee {
			t.Errorf("%s: %v, %v", name, answer, err)
		}
	}
}

func TestAProposalIsNeverInTheFarFuture(t *testing.T) {
	c := assembler(&pool{}, nil)
	c.Latest = func() int64 { return 3000 }
	for at, want := range map[int64]int64{500: 1000, 2500: 2500, 3000: 3000, 1 << 35: 3000} {
		answer, err := c.Next(t.Context(), at, true)
		if got := answer.GetContent().GetTimestamp().GetSeconds(); err != nil || got != want {
			t.Errorf("asked for %d: %d, %v, want %d", at, got, err, want)
		}
	}
}

func TestALockedPoolGivesNoTransactions(t *testing.T) {
	c := assembler(&pool{sizes: []int{10}}, make(delayed, 3))
	c.Locked = func() bool { return true }
	answer, err := c.Next(t.Context(), 2000, true)
	if err != nil || !answer.GetPoolLocked() || len(answer.GetContent().GetTransactions())+len(answer.GetContent().GetDelayedTransactionHashes()) != 0 {
		t.Fatalf("%v, %v", answer, err)
	}
}

func TestTheFirstBlockUnderNewRulesIsEmpty(t *testing.T) {
	c := assembler(&pool{sizes: []int{10}, fork: 2000}, make(delayed, 3))
	for at, due := range map[int64]bool{1999: false, 2000: true} {
		answer, err := c.Next(t.Context(), at, true)
		if err != nil || answer.GetUpgradeDue() != due || (len(answer.GetContent().GetTransactions()) == 0) != due {
			t.Errorf("at %d: %v, %v", at, answer, err)
		}
	}
}

func TestWhoDoesNotLeadSaysSo(t *testing.T) {
	never := func() bool { return false }
	p := &Producer{Leading: never}
	if _, err := p.GetProposalContent(t.Context(), &blueprintv1.GetProposalContentRequest{Timestamp: &timestamppb.Timestamp{Seconds: 1}}); !errors.Is(err, ErrNotLeading) {
		t.Errorf("content: %v", err)
	}
	a := &Admin{Leading: never}
	if _, err := a.LockPool(t.Context(), nil); !errors.Is(err, ErrNotLeading) {
		t.Errorf("lock: %v", err)
	}
	if _, err := a.AddDelayedTransaction(t.Context(), nil); !errors.Is(err, ErrNotLeading) {
		t.Errorf("delayed: %v", err)
	}
	if _, err := a.DropTransactions(t.Context(), nil); !errors.Is(err, ErrNotLeading) {
		t.Errorf("drop: %v", err)
	}
	a.Leading = func() bool { return true }
	for _, r := range []*blueprintv1.DropTransactionsRequest{nil, {Hash: make([]byte, 31)}, {Sender: make([]byte, 32)}} {
		if _, err := a.DropTransactions(t.Context(), r); !errors.Is(err, ErrBadRequest) {
			t.Errorf("drop %v: %v", r, err)
		}
	}
}

func TestARequestThatWasServedGetsNoContent(t *testing.T) {
	p := &Producer{
		Leading: func() bool { return true }, Contents: assembler(&pool{sizes: []int{10}}, nil),
		Served: func(id string) (uint64, bool) { return 7, id == "served" },
	}
	for id, want := range map[string]uint64{"served": 7, "new": 0, "": 0} {
		answer, err := p.GetProposalContent(t.Context(), &blueprintv1.GetProposalContentRequest{
			Timestamp: &timestamppb.Timestamp{Seconds: 2000}, RequestId: id,
		})
		if err != nil || answer.GetServedNumber() != want || (answer.GetContent() == nil) != (want > 0) {
			t.Errorf("%q: %v, %v", id, answer, err)
		}
	}
}
