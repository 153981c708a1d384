package rpc_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"blindseq/kit/jsonrpc"
	"blindseq/producer-svc/devaccounts"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/rpc"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// old is more blocks than there are states in memory.
const old = 300

// blocks makes blocks with one transfer each and returns the hashes of the transfers.
func (s *served) blocks(n int) (hashes []common.Hash) {
	s.t.Helper()
	for nonce := range n {
		tx := transfer(s.t, 0, uint64(nonce))
		number, hash, timestamp := s.chain.Head()
		result, err := s.chain.Apply(s.t.Context(), chain.Block{
			Number: number + 1, ParentHash: hash, Timestamp: timestamp + 1, Transactions: [][]byte{common.FromHex(raw(s.t, tx))},
		})
		must(s.t, err)
		if len(result.Included) != 1 {
			s.t.Fatalf("block %d has no transaction", result.Number)
		}
		hashes = append(hashes, tx.Hash())
	}
	return hashes
}

// stateCalls are calls that need the state of a block, and of the block before it.
func stateCalls(t *testing.T, number uint64, hash, transaction common.Hash) (all []gethrpc.BatchElem) {
	t.Helper()
	accounts, err := devaccounts.All()
	must(t, err)
	who, at := accounts[0].Address, hexutil.Uint64(number)
	call, tracer := map[string]any{"from": who, "to": nobody}, map[string]any{"tracer": "callTracer"}
	for _, one := range []struct {
		method string
		args   []any
	}{
		{"eth_getBalance", []any{who, at}},
		{"eth_getBalance", []any{who, map[string]any{"blockHash": hash}}},
		{"eth_getCode", []any{who, at}},
		{"eth_getStorageAt", []any{who, common.Hash{}, at}},
		{"eth_getStorageValues", []any{map[common.Address][]common.Hash{who: {{}}}, at}},
		{"eth_getTransactionCount", []any{who, at}},
		{"eth_getProof", []any{who, []string{}, at}},
		{"eth_call", []any{call, at}},
		{"eth_call", []any{call, at, map[string]any{}, map[string]any{}}},
		{"eth_estimateGas", []any{call, at}},
		{"eth_createAccessList", []any{call, at}},
		{"eth_simulateV1", []any{map[string]any{"blockStateCalls": []any{map[string]any{"calls": []any{call}}}}, at}},
		{"debug_traceCall", []any{call, at, tracer}},
		{"debug_traceBlockByNumber", []any{at, tracer}},
		{"debug_traceBlockByHash", []any{hash, tracer}},
		{"debug_traceTransaction", []any{transaction, tracer}},
		{"debug_intermediateRoots", []any{hash}},
	} {
		all = append(all, gethrpc.BatchElem{Method: one.method, Args: one.args, Result: new(json.RawMessage)})
	}
	return all
}

func hashOf(t *testing.T, s *served, number uint64) common.Hash {
	t.Helper()
	hash, ok := s.chain.HashOf(number)
	if !ok {
		t.Fatalf("there is no block %d", number)
	}
	return hash
}

// capabilities asks from which block on there is the state.
func capabilities(t *testing.T, client *gethrpc.Client) (state, proofs uint64, answer string) {
	t.Helper()
	var raw json.RawMessage
	must(t, client.Call(&raw, "eth_capabilities"))
	var all struct {
		State, StateProofs struct{ OldestBlock hexutil.Uint64 }
	}
	must(t, json.Unmarshal(raw, &all))
	return uint64(all.State.OldestBlock), uint64(all.StateProofs.OldestBlock), string(raw)
}

func TestAStateThatIsNotKeptIsRefusedWithTheFirstBlockThatIs(t *testing.T) {
	s := serve(t, rpc.Limits{})
	transfers := s.blocks(old)
	client := s.dial("http", "/")
	first, proofs, answer := capabilities(t, client)
	if first < old-200 || first > old-100 || proofs != first {
		t.Fatalf("eth_capabilities: %s", answer)
	}
	for _, want := range []string{`"tx":{"disabled":false,"oldestBlock":"0x0"}`, `"logs":{"disabled":false,"oldestBlock":"0x0"}`, `"retentionBlocks":"0x80"`} {
		if !strings.Contains(answer, want) {
			t.Errorf("eth_capabilities has no %s: %s", want, answer)
		}
	}
	kept := stateCalls(t, first+1, hashOf(t, s, first+1), transfers[first])
	must(t, client.BatchCall(kept))
	for _, one := range kept {
		if one.Error != nil {
			t.Errorf("%s%v: %v", one.Method, one.Args, one.Error)
		}
	}
	lost := stateCalls(t, first-1, hashOf(t, s, first-1), transfers[first-2])
	must(t, client.BatchCall(lost))
	for _, one := range lost {
		if one.Error == nil {
			t.Errorf("%s%v: answered %s", one.Method, one.Args, *one.Result.(*json.RawMessage))
			continue
		}
		wantCode(t, one.Error, jsonrpc.NotKept)
		from := hexutil.Uint64(first)
		if strings.HasPrefix(one.Method, "debug_") && one.Method != "debug_traceCall" {
			from++ // which needs the state before it
		}
		wantText(t, one.Error, "it is kept from block "+strconv.FormatUint(uint64(from), 10)+" on")
	}
}

func TestAnArchiveAnswersAboutEveryBlock(t *testing.T) {
	s := serveKeeping(t, chain.History{Archive: true}, rpc.Limits{}, nil)
	transfers := s.blocks(old)
	client := s.dial("http", "/")
	first, proofs, answer := capabilities(t, client)
	if first != 0 || proofs != 0 || strings.Contains(answer, "deleteStrategy") {
		t.Fatalf("eth_capabilities: %s", answer)
	}
	all := stateCalls(t, 1, hashOf(t, s, 1), transfers[0])
	must(t, client.BatchCall(all))
	for _, one := range all {
		if one.Error != nil {
			t.Errorf("%s%v: %v", one.Method, one.Args, one.Error)
		}
	}
}

func TestWhatACallAboutStateLacksIsNamed(t *testing.T) {
	client := serve(t, rpc.Limits{}).dial("http", "/")
	var answer any
	for _, method := range []string{"eth_call", "eth_estimateGas", "eth_createAccessList", "eth_simulateV1"} {
		err := client.Call(&answer, method, nil, "latest")
		wantCode(t, err, jsonrpc.InvalidParams)
		wantText(t, err, "missing value for required argument 0")
		err = client.Call(&answer, method, "nothing", "latest")
		wantCode(t, err, jsonrpc.InvalidParams)
		wantText(t, err, "invalid argument 0")
	}
	err := client.Call(&answer, "eth_call", map[string]any{}, "latest", "nothing")
	wantCode(t, err, jsonrpc.InvalidParams)
	wantText(t, err, "invalid argument 2")
}
