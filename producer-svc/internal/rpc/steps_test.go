package rpc_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"blindseq/producer-svc/internal/rpc"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// endless is a transaction of which nothing is told.
var endless = common.Hash{0xff}

// oneStep tells of every transaction but endless that it is executed.
func oneStep(ctx context.Context, hash common.Hash, send func(*blueprintv1.TransactionStep) error) error {
	if hash == endless {
		<-ctx.Done()
		return ctx.Err()
	}
	return send(&blueprintv1.TransactionStep{Kind: blueprintv1.StepKind_STEP_KIND_EXECUTED, Number: 7, Index: 0, TransactionHash: hash[:]})
}

func TestAFollowedTransactionsStepsAreNotifiedOf(t *testing.T) {
	s := serve(t, rpc.Limits{})
	steps := make(chan rpc.Step, 1)
	sub, err := s.dial("ws", "/").Subscribe(t.Context(), "te", steps, "transaction", common.Hash{1})
	must(t, err)
	defer sub.Unsubscribe()
	select {
	case one := <-steps:
		if one.Step != "executed" || one.Hash != (common.Hash{1}) || *one.BlockNumber != 7 || *one.TransactionIndex != 0 {
			t.Errorf("got %+v", one)
		}
	case err := <-sub.Err():
		t.Fatal(err)
	}
	err = s.dial("http", "/").Call(new(json.RawMessage), "te_subscribe", "transaction", common.Hash{1})
	if err == nil || err.Error() != gethrpc.ErrNotificationsUnsupported.Error() {
		t.Errorf("by HTTP: %v", err)
	}
}

// What has ended by itself makes room for others, but geth keeps it: so it is counted too.
func TestAClientFollowsSoManyTransactions(t *testing.T) {
	s := serve(t, rpc.Limits{})
	socket := s.dial("ws", "/")
	live := untilRefused(t, socket, "te_subscribe", "transaction", endless)
	equal(t, "live ones", len(live), 128)
	var ended bool
	for _, id := range live {
		must(t, socket.CallContext(t.Context(), &ended, "te_unsubscribe", id))
	}
	var left []string
	for deadline := time.Now().Add(30 * time.Second); len(left) < 512; { // each makes room again a little after its end
		left = append(left, untilRefused(t, socket, "te_subscribe", "transaction", common.Hash{1})...)
		if time.Now().After(deadline) {
			t.Fatalf("%d have ended by themselves", len(left))
		}
	}
	must(t, socket.CallContext(t.Context(), &ended, "te_unsubscribe", left[0]))
	again := 0
	for again == 0 { // it is given back a little later
		again += len(untilRefused(t, socket, "te_subscribe", "transaction", endless))
	}
}

func TestALongListIsNotPushed(t *testing.T) {
	of := func(size int) rpc.Step {
		content := &preblockv1.Content{Number: 3, PreviousBlockHash: make([]byte, 32), Transactions: [][]byte{make([]byte, size)}}
		step, err := rpc.StepOf(common.Hash{1}, &blueprintv1.TransactionStep{Kind: blueprintv1.StepKind_STEP_KIND_FINAL, Number: 3, Final: &preblockv1.Final{
			Content: content, ContentHash: make([]byte, 32), Certificate: &preblockv1.Certificate{Locks: []*preblockv1.Attestation{{Authority: 1, Signature: hexutil.Bytes{1}}}},
		}})
		must(t, err)
		return step
	}
	if short := of(64 << 10); len(short.Proof.Transactions) != 1 {
		t.Error("64 KiB are left out")
	}
	if long := of(64<<10 + 1); long.Proof.Transactions != nil || len(long.Proof.Locks) != 1 || long.Proof.Hash == (common.Hash{}) {
		t.Errorf("more: %+v", long.Proof)
	}
}
