package rpc_test

import (
	"fmt"
	"math/big"
	"runtime"
	"slices"
	"strings"
	"testing"

	"blindseq/producer-svc/devaccounts"
	"blindseq/producer-svc/internal/rpc"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// changes polls a filter.
func changes[T any](t testing.TB, c *gethrpc.Client, id string) (all []T) {
	t.Helper()
	must(t, c.CallContext(t.Context(), &all, "eth_getFilterChanges", id))
	if all == nil {
		t.Fatal("got null, want an array")
	}
	return all
}

// logging is a transaction that creates a contract whose creation logs once.
func logging(t testing.TB, nonce uint64) *types.Transaction {
	t.Helper()
	accounts, err := devaccounts.All()
	must(t, err)
	tx, err := types.SignNewTx(accounts[1].Key, signer, &types.DynamicFeeTx{ChainID: chainID, Nonce: nonce, Gas: 100_000,
		Data: common.FromHex("0x60006000a000"), GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(50 * params.GWei)})
	must(t, err)
	return tx
}

func (s *served) send(tx *types.Transaction) common.Hash {
	s.t.Helper()
	must(s.t, s.dial("http", "/").Call(nil, "eth_sendRawTransaction", raw(s.t, tx)))
	return tx.Hash()
}

// Each poll answers with what came since the last one.
func TestAPolledFilterAnswersWithWhatIsNew(t *testing.T) {
	s := serve(t, rpc.Limits{})
	client := s.dial("http", "/")
	newFilter := func(method string, params ...any) (id string) {
		t.Helper()
		must(t, client.Call(&id, method, params...))
		return id
	}
	s.send(logging(t, 0))
	s.block() // before the filters: not new
	blocks, logs := newFilter("eth_newBlockFilter"), newFilter("eth_newFilter", map[string]any{})
	third := newFilter("eth_newFilter", map[string]any{"fromBlock": "0x0", "toBlock": "0x3"})
	elsewhere := newFilter("eth_newFilter", map[string]any{"address": nobody})
	pending, whole := newFilter("eth_newPendingTransactionFilter"), newFilter("eth_newPendingTransactionFilter", true)
	equal(t, "blocks at first", len(changes[common.Hash](t, client, blocks)), 0)
	equal(t, "logs at first", len(changes[types.Log](t, client, logs)), 0)

	var hashes, sent []common.Hash
	for n := range uint64(3) { // blocks 2, 3 and 4
		sent = append(sent, s.send(logging(t, n+1)), s.send(transfer(t, 2, n)))
		hashes = append(hashes, s.block().Hash)
	}
	if got := changes[common.Hash](t, client, blocks); !slices.Equal(got, hashes) {
		t.Errorf("blocks %v, want %v", got, hashes)
	}
	if got := changes[common.Hash](t, client, pending); !slices.Equal(got, sent) {
		t.Errorf("pending %v, want %v", got, sent)
	}
	var got []common.Hash
	for _, tx := range changes[struct{ Hash common.Hash }](t, client, whole) {
		got = append(got, tx.Hash)
	}
	if !slices.Equal(got, sent) {
		t.Errorf("whole pending ones %v, want %v", got, sent)
	}
	for id, want := range map[string][]uint64{logs: {2, 3, 4}, third: {2, 3}, elsewhere: nil} {
		var numbers []uint64
		for _, log := range changes[types.Log](t, client, id) {
			numbers = append(numbers, log.BlockNumber)
		}
		if !slices.Equal(numbers, want) {
			t.Errorf("logs of blocks %v, want %v", numbers, want)
		}
	}
	for _, id := range []string{blocks, logs, third, elsewhere, pending, whole} {
		equal(t, "new at once after that", len(changes[any](t, client, id)), 0)
	}

	var ended bool
	must(t, client.Call(&ended, "eth_uninstallFilter", blocks))
	equal(t, "ended", ended, true)
	must(t, client.Call(&ended, "eth_uninstallFilter", blocks))
	equal(t, "ended again", ended, false)
	wantText(t, client.Call(nil, "eth_getFilterChanges", blocks), "filter not found")
	wantText(t, client.Call(nil, "eth_getFilterLogs", pending), "filter not found")
	wantText(t, client.Call(nil, "eth_newFilter", map[string]any{"fromBlock": "0x5", "toBlock": "0x2"}), "invalid block range params")
}

// A filter kept all that its owner did not fetch: the hashes of all blocks, in this test 8,000 times over.
func TestAFilterThatNobodyPollsKeepsNothing(t *testing.T) {
	s := serve(t, rpc.Limits{})
	client := s.dial("http", "/")
	const filters, blocks = 8000, 400
	calls := make([]gethrpc.BatchElem, filters/10)
	for range 10 {
		for i := range calls {
			calls[i] = gethrpc.BatchElem{Method: "eth_newBlockFilter", Result: new(string)}
		}
		must(t, client.BatchCall(calls))
		for _, call := range calls {
			must(t, call.Error)
		}
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for range blocks {
		s.block()
	}
	if grown := heap() - before; grown > filters*blocks*common.HashLength/4 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	equal(t, "one that is polled after all", len(changes[common.Hash](t, client, *calls[0].Result.(*string))), blocks)
}

// What a filter asks for is kept as well.
func TestAFilterWithManyTopicsCountsForSeveral(t *testing.T) {
	s := serve(t, rpc.Limits{})
	topics := make([]string, 1000) // 32,000 bytes: 16 places of 128
	for i := range topics {
		topics[i] = fmt.Sprintf("0x%064x", i)
	}
	crit := map[string]any{"topics": []any{topics}}
	equal(t, "filters", len(untilRefused(t, s.behalf("http", "203.0.113.7", 1), "eth_newFilter", crit)), 8)
	equal(t, "subscriptions", len(untilRefused(t, s.behalf("ws", "203.0.113.8", 1), "eth_subscribe", "logs", crit)), 8)
	tooMany := map[string]any{"address": strings.Fields(strings.Repeat(nobody.Hex()+" ", 20_000))}
	equal(t, "one that is too large", len(untilRefused(t, s.behalf("http", "203.0.113.9", 1), "eth_newFilter", tooMany)), 0)
}
