package chain_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"testing"
	"time"

	"blindseq/producer-svc/internal/chain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/eth/tracers"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"
)

// storing is the wallet that deploys and calls the contract of a script that stores.
const storing = 9

var (
	// storeCode returns the value of a slot, or sets it when it is called with a slot and a value.
	storeCode = common.FromHex("36604014601157600035545f5260205ff35b6020356000355500")
	// storeInit deploys it.
	storeInit = append(common.FromHex("601a80600a5f395ff300"), storeCode...)
)

// stores signs the call of block number: block 1 deploys the contract; later ones set one of seven slots, now and then to zero.
func (w *wallet) stores(t testing.TB, number uint64) []byte {
	t.Helper()
	if number == 1 {
		return w.call(t, nil, 200_000, new(big.Int), storeInit)
	}
	value := number
	if number%5 == 0 {
		value = 0
	}
	slot, stored := common.BigToHash(new(big.Int).SetUint64(number%7)), common.BigToHash(new(big.Int).SetUint64(value))
	at := crypto.CreateAddress(w.address, 0)
	return w.call(t, &at, 100_000, new(big.Int), append(slot[:], stored[:]...))
}

// reference is geth itself with the state of every block, each stored in full: another way of storing than that of chains.
type reference struct {
	eth    *eth.Ethereum
	client *rpc.Client
}

func newReference(t *testing.T) *reference {
	t.Helper()
	genesis, err := chain.DevGenesis()
	must(t, err)
	stack, err := node.New(&node.Config{
		DataDir: t.TempDir(), DBEngine: rawdb.DBPebble, P2P: p2p.Config{NoDiscovery: true, NoDial: true, MaxPeers: 0},
	})
	must(t, err)
	t.Cleanup(func() { _ = stack.Close() })
	cfg := ethconfig.Defaults
	cfg.Genesis, cfg.StateScheme, cfg.NoPruning, cfg.LogNoHistory = genesis, rawdb.HashScheme, true, true
	backend, err := eth.New(stack, &cfg)
	must(t, err)
	must(t, stack.Start())
	server := rpc.NewServer()
	for _, api := range append(backend.APIs(), tracers.APIs(backend.APIBackend)...) {
		must(t, server.RegisterName(api.Namespace, api.Service))
	}
	r := &reference{backend, rpc.DialInProc(server)}
	t.Cleanup(r.client.Close)
	return r
}

// follow executes the blocks of a chain that it has not.
func (r *reference) follow(t *testing.T, c *chain.Chain) {
	t.Helper()
	bc, from := r.eth.BlockChain(), client(t, c)
	head, _, _ := c.Head()
	for number := bc.CurrentBlock().Number.Uint64() + 1; number <= head; number++ {
		var raw hexutil.Bytes
		must(t, from.Call(&raw, "debug_getRawBlock", hexutil.Uint64(number)))
		block := new(types.Block)
		must(t, rlp.DecodeBytes(raw, block))
		parent := bc.CurrentBlock()
		state, err := bc.StateAt(parent.Root, parent.Number, parent.Time)
		must(t, err)
		result, err := bc.Processor().Process(ctx, block, state, nil, nil, vm.Config{}, nil)
		must(t, err)
		root, err := state.Commit(bc.Config().Rules(block.Number(), true, block.Time()), number)
		must(t, err)
		equal(t, "root", root, block.Root())
		must(t, bc.TrieDB().Commit(root, false))
		rawdb.WriteBlock(r.eth.ChainDb(), block)
		rawdb.WriteReceipts(r.eth.ChainDb(), block.Hash(), number, result.Receipts)
		_, err = bc.SetCanonical(block)
		must(t, err)
	}
}

// questions are the calls about the state of a block.
func questions(t *testing.T, number uint64) (asked []rpc.BatchElem) {
	t.Helper()
	w := wallets(t)
	at, store := hexutil.Uint64(number), crypto.CreateAddress(w[storing].address, 0)
	paid := common.BigToAddress(uint256Of(number * 1000).ToBig()) // in this block, for the first time
	ask := func(method string, args ...any) {
		asked = append(asked, rpc.BatchElem{Method: method, Args: args, Result: new(json.RawMessage)})
	}
	for _, who := range []common.Address{w[storing].address, paid, store} {
		ask("eth_getBalance", who, at)
		ask("eth_getTransactionCount", who, at)
		ask("eth_getProof", who, []string{}, at)
	}
	ask("eth_getCode", store, at)
	ask("eth_getCode", nobody, at)
	var slots []string
	for slot := range uint64(3) {
		key := common.BigToHash(uint256Of(slot).ToBig())
		slots = append(slots, key.Hex())
		ask("eth_getStorageAt", store, key, at)
		ask("eth_call", map[string]any{"to": store, "data": key.Hex()}, at)
	}
	ask("eth_getProof", store, slots, at)
	ask("eth_estimateGas", map[string]any{"from": w[1].address, "to": store, "data": slots[1] + slots[2][2:]}, at)
	ask("debug_traceCall", map[string]any{"to": store, "data": slots[2]}, at, map[string]any{"tracer": "prestateTracer"})
	ask("debug_traceBlockByNumber", at, map[string]any{"tracer": "callTracer"})
	ask("debug_traceBlockByNumber", at, map[string]any{"tracer": "prestateTracer", "tracerConfig": map[string]any{"diffMode": true}})
	return asked
}

// same asks a chain and the reference about a block.
func (r *reference) same(t *testing.T, asking *rpc.Client, number uint64) {
	t.Helper()
	got, want := questions(t, number), questions(t, number)
	must(t, asking.BatchCall(got))
	must(t, r.client.BatchCall(want))
	for i := range got {
		if want[i].Error != nil && number > 0 {
			t.Fatalf("the reference does not answer %s at block %d: %v", want[i].Method, number, want[i].Error)
		}
		answers := func(one rpc.BatchElem) string {
			return fmt.Sprintf("%s, error %v", *one.Result.(*json.RawMessage), one.Error)
		}
		if a, b := answers(got[i]), answers(want[i]); a != b {
			t.Fatalf("%s%v at block %d:\n got %s\nwant %s", got[i].Method, got[i].Args, number, a, b)
		}
	}
}

func (r *reference) sameEvery(t *testing.T, c *chain.Chain, first, step uint64) {
	t.Helper()
	asking := client(t, c)
	head, _, _ := c.Head()
	for number := first; number < head; number += step {
		r.same(t, asking, number)
	}
	r.same(t, asking, head)
}

func keeping(history string) func(*chain.Config) {
	return func(cfg *chain.Config) {
		var err error
		if cfg.History, err = chain.ParseHistory(history); err != nil {
			panic(err)
		}
	}
}

func newStoringScript(t *testing.T) *script {
	s := newScript(t, 1)
	s.store = true
	return s
}

func TestAnArchiveHasTheStateOfEveryBlock(t *testing.T) {
	dir, r := t.TempDir(), newReference(t)
	c := open(t, dir, keeping("archive"))
	s := newStoringScript(t)
	s.play(c, 280)
	r.follow(t, c)
	r.sameEvery(t, c, 1, 17) // at once
	must(t, c.Close())
	c = open(t, dir, keeping("archive"))
	r.sameEvery(t, c, 2, 67)
	newStoringScript(t).play(c, 420)
	r.follow(t, c)
	r.sameEvery(t, c, 3, 41)
	equal(t, "kept", c.Kept(), chain.Kept{})
}

func TestAKilledArchiveHasTheStateOfEveryBlock(t *testing.T) {
	for name, gas := range map[string]uint64{"whose states were written one by one": 0, "whose states were written at once": 8_000_000} {
		t.Run(name, func(t *testing.T) {
			dir, r := t.TempDir(), newReference(t)
			for _, blocks := range []uint64{270, 400} {
				last := crashWith(t, "archive", dir, blocks, 1, gas)
				c := open(t, dir, keeping("archive"))
				head, _, _ := c.Head()
				t.Logf("came back at block %d of %d", head, blocks)
				hashes := newStoringScript(t).play(c, blocks)
				equal(t, "hash of the last block", hashes[len(hashes)-1].Hex(), last)
				r.follow(t, c)
				r.sameEvery(t, c, 1, 37)
				must(t, c.Close())
			}
		})
	}
}

// wantKept asks about blocks around the first one whose state a chain says to have.
func wantKept(t *testing.T, r *reference, c *chain.Chain, least, most uint64) {
	t.Helper()
	kept := c.Kept()
	if kept.States < least || kept.States > most || kept.Proofs < least || kept.Proofs > most {
		t.Fatalf("states are kept from block %d on and proofs from %d, want %d to %d", kept.States, kept.Proofs, least, most)
	}
	asking := client(t, c)
	r.same(t, asking, max(kept.States, kept.Proofs)+1) // a trace needs the state before it
	if kept.States == 0 {
		return
	}
	var answer string
	if err := asking.Call(&answer, "eth_getBalance", nobody, hexutil.Uint64(kept.States-1)); err == nil {
		t.Fatalf("block %d is not kept and has the balance %s", kept.States-1, answer)
	}
}

func TestAChainKeepsTheStatesOfSoManyBlocks(t *testing.T) {
	dir, r := t.TempDir(), newReference(t)
	c := open(t, dir, keeping("150"))
	newStoringScript(t).play(c, 450)
	r.follow(t, c)
	wantKept(t, r, c, 40, 300)
	equal(t, "blocks", c.Kept().Blocks, 150)
	must(t, c.Close())
	wantKept(t, r, open(t, dir, keeping("150")), 40, 300)
}

// TestAChainKeepsTheStatesOfATime: the script has two blocks a second.
func TestAChainKeepsTheStatesOfATime(t *testing.T) {
	r := newReference(t)
	c := open(t, t.TempDir(), keeping("40s"))
	s := newStoringScript(t)
	s.play(c, 450)
	r.follow(t, c)
	wantKept(t, r, c, 1, 450-80)
}

func TestAHistoryCanBeSwitchedOffAndOnAgain(t *testing.T) {
	dir, r := t.TempDir(), newReference(t)
	for i, one := range []struct {
		history     string
		least, most uint64
	}{{"archive", 0, 0}, {"128", 300 - 2*128, 300 - 128}, {"archive", 1, 300}} {
		c := open(t, dir, keeping(one.history))
		newStoringScript(t).play(c, uint64(i+1)*150)
		r.follow(t, c)
		wantKept(t, r, c, one.least, one.most)
		must(t, c.Close())
	}
}

func TestHistoriesAreParsed(t *testing.T) {
	for text, want := range map[string]chain.History{
		"archive": {Archive: true}, "0": {}, "90000": {Blocks: 90_000}, "24h": {Age: 24 * time.Hour}, "1m30s": {Age: 90 * time.Second},
	} {
		got, err := chain.ParseHistory(text)
		must(t, err)
		equal(t, text, got, want)
	}
	for _, text := range []string{"", "full", "-1", "10ms", "1.5", "9223372036854775808"} {
		if got, err := chain.ParseHistory(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}
