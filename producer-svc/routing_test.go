package producer

import (
	"blindseq/producer-svc/internal/fakes"
	"blindseq/producer-svc/internal/intake"
	"errors"
	"testing"

	"blindseq/kit/rediskeys"
	"blindseq/producer-svc/internal/leading"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
	"google.golang.org/grpc/codes"
)

// said is code and data of a JSON-RPC error.
func said(err error) (code int, known bool) {
	if coded := rpc.Error(nil); errors.As(err, &coded) {
		code = coded.ErrorCode()
	}
	if with := rpc.DataError(nil); errors.As(err, &with) {
		fields, _ := with.ErrorData().(map[string]any)
		known = fields["known"] == true
	}
	return code, known
}

func TestARefusalSaysThatTheTransactionIsHereAlready(t *testing.T) {
	a := startLeader(t)
	b := beside(t, a, nil)
	from := newWallet(t, 0)
	tx := from.transaction(t, nil)
	if err := a.eth.SendTransaction(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	everyway := func(tx *types.Transaction, want bool) {
		t.Helper()
		raw, err := tx.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		batch := []rpc.BatchElem{{Method: "eth_sendRawTransaction", Args: []any{hexutil.Bytes(raw)}, Result: new(common.Hash)}}
		if err := a.eth.Client().BatchCallContext(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		for way, err := range map[string]error{
			"alone": a.eth.SendTransaction(t.Context(), tx), "in a batch": batch[0].Error, "through a standby": b.eth.SendTransaction(t.Context(), tx),
		} {
			if code, known := said(err); code != intake.CodeRefused || known != want {
				t.Errorf("%s: code %d, known %v: %v", way, code, known, err)
			}
		}
	}
	everyway(tx, true) // in the pool
	a.produce(t, &blueprintv1.ProduceBlockRequest{})
	everyway(tx, true) // in a block
	from.nonce--
	everyway(from.transaction(t, []byte{1}), false) // another one with its nonce
}

func TestWhoStopsAndLeadsNoMoreTakesNoTransaction(t *testing.T) {
	a := startLeader(t)
	fakes.WaitFor(t, func() bool { _, known := a.candidate.Directory.Current(rediskeys.ProducerLease); return known })
	a.redis.Stop(t)
	fakes.WaitFor(t, func() bool { return !a.candidate.HoldsLease() })
	from := newWallet(t, 0)
	transfers(t, a, from, 1) // it led last, and nobody knows of another
	a.stopping.Store(true)
	if code, _ := said(a.eth.SendTransaction(t.Context(), from.transaction(t, nil))); code != intake.CodeUnavailable {
		t.Errorf("code %d", code)
	}
	a.redis.Start(t)
}

func TestWhoAsksAHaltedLeaderIsNotSentElsewhere(t *testing.T) {
	a := startLeader(t)
	b := beside(t, a, nil)
	halt := errors.New("two contents for one number")
	a.guard.Halt(halt)
	b.guard.Halt(halt)
	for want, n := range map[codes.Code]*node{codes.FailedPrecondition: a, codes.Unavailable: b} { // another than b may lead
		if _, err := n.producer.ProduceBlock(t.Context(), &blueprintv1.ProduceBlockRequest{}); code(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	a.production.Stance.Set(leading.Taking) // it has the lease and does not serve
	if err := a.halted(); err == nil {
		t.Error("a halted producer with the lease says nothing")
	}
}
