package bundler

import (
	"crypto/ecdsa"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// account signs what a test likes.
type account struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	from common.Address
}

func newAccount(t *testing.T) account {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return account{t, key, crypto.PubkeyToAddress(key.PublicKey)}
}

// transfer signs a transfer whose prices are in wei.
func (a account) transfer(nonce uint64, value, feeCap, tip int64) (raw []byte, hash common.Hash) {
	a.t.Helper()
	tx, err := types.SignNewTx(a.key, types.LatestSignerForChainID(big.NewInt(1337)), &types.DynamicFeeTx{
		ChainID: big.NewInt(1337), Nonce: nonce, Gas: 21000, GasFeeCap: big.NewInt(feeCap), GasTipCap: big.NewInt(tip), To: &common.Address{1}, Value: big.NewInt(value),
	})
	if err != nil {
		a.t.Fatal(err)
	}
	if raw, err = tx.MarshalBinary(); err != nil {
		a.t.Fatal(err)
	}
	return raw, tx.Hash()
}

// ask calls a method with parameters as they are written in JSON.
func (w *world) ask(method, params string) answer {
	w.t.Helper()
	return decoded(w.t, w.post(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":[%s]}`, method, params)))
}

func (w *world) pendingCount(a common.Address) uint64 {
	w.t.Helper()
	got := w.ask("eth_getTransactionCount", fmt.Sprintf(`%q,"pending"`, a.Hex()))
	text, _ := got.Result.(string)
	n, err := hexutil.DecodeUint64(text)
	if err != nil {
		w.t.Fatalf("pending count: %+v", got)
	}
	return n
}

func (w *world) status(hash common.Hash) map[string]any {
	w.t.Helper()
	got := w.call("te_getTransactionStatus", hash.Hex())
	status, ok := got.Result.(map[string]any)
	if !ok {
		w.t.Fatalf("status: %+v", got)
	}
	return status
}

// opened are the transactions in what the rollup was handed, in the order of seq.
func (w *world) opened(n int) (nonces []uint64) {
	w.t.Helper()
	bySeq := map[uint64]uint64{}
	for _, raw := range w.rollup.Sealed(w.t, n) {
		tx := new(types.Transaction)
		if err := tx.UnmarshalBinary(w.plain(raw)); err != nil {
			w.t.Fatal(err)
		}
		bySeq[w.Checked(raw).Sealed().Seq] = tx.Nonce()
	}
	for seq := range uint64(len(bySeq)) {
		nonces = append(nonces, bySeq[seq])
	}
	return nonces
}

func requireAscending(t *testing.T, nonces []uint64, n int) {
	t.Helper()
	if len(nonces) != n {
		t.Errorf("%d were sealed, not %d", len(nonces), n)
	}
	for i, nonce := range nonces {
		if nonce != uint64(i) {
			t.Fatalf("in the order of sealing the nonces are %v", nonces)
		}
	}
}

func TestTheSameNonceIsNeverHandedOutTwice(t *testing.T) {
	w, me := newWorld(t), newAccount(t)
	for n := range uint64(10) {
		if got := w.pendingCount(me.from); got != n {
			t.Fatalf("after %d sends the pending count is %d", n, got)
		}
		raw, _ := me.transfer(n, int64(n), 10, 1)
		if a := w.send(raw); a.Error != nil {
			t.Fatalf("nonce %d: %+v", n, a.Error)
		}
	}
	if a := w.ask("eth_getTransactionCount", fmt.Sprintf(`%q,"latest"`, me.from.Hex())); a.Result != "0x0" {
		t.Errorf("latest count %v", a.Result)
	}
	text := w.post(fmt.Sprintf(`[{"jsonrpc":"2.0","id":7,"method":"eth_getTransactionCount","params":[%q,"pending"]}]`, me.from.Hex()))
	if !strings.Contains(text, `"result":"0xa"`) {
		t.Errorf("in a batch: %s", text)
	}
}

func TestConcurrentNoncesOfAnAccountAreSealedInTheirOrder(t *testing.T) {
	w, me := newWorld(t), newAccount(t)
	var sends sync.WaitGroup
	for _, n := range []uint64{17, 3, 19, 0, 8, 12, 5, 14, 1, 10, 16, 7, 2, 18, 9, 4, 13, 11, 6, 15} {
		raw, hash := me.transfer(n, 1, 10, 1)
		sends.Go(func() {
			if a := w.send(raw); a.Result != hash.Hex() {
				t.Errorf("nonce %d: %+v", n, a.Error)
			}
		})
	}
	sends.Wait()
	if got := w.pendingCount(me.from); got != 20 {
		t.Errorf("pending count %d", got)
	}
	requireAscending(t, w.opened(20), 20)
}

func TestWhatComesTooEarlyWaitsAndSurvivesARestart(t *testing.T) {
	w, me := newWorld(t), newAccount(t)
	raw, hash := me.transfer(2, 1, 10, 1)
	if a := w.send(raw); a.Result != hash.Hex() {
		t.Fatalf("answer %+v", a.Error)
	}
	w.stop()
	w.start()
	if s := w.status(hash); s["status"] != "queued" {
		t.Errorf("status %v", s)
	}
	if a := w.call("eth_getTransactionByHash", hash.Hex()); a.Result == nil {
		t.Errorf("it is not found: %+v", a)
	}
	if a := w.call("te_getOrderProof", hash.Hex()); a.Error == nil || !strings.Contains(a.Error.Message, "not fixed") {
		t.Errorf("its proof: %+v", a)
	}
	if n := len(w.rollup.Sealed(t, 0)); n != 0 {
		t.Fatalf("%d were sealed", n)
	}
	if got := w.pendingCount(me.from); got != 0 {
		t.Errorf("pending count %d", got)
	}
	second, _ := me.transfer(1, 1, 10, 1)
	first, _ := me.transfer(0, 1, 10, 1)
	for _, raw := range [][]byte{second, first} {
		if a := w.send(raw); a.Error != nil {
			t.Fatalf("answer %+v", a.Error)
		}
	}
	requireAscending(t, w.opened(3), 3)
}

func TestWhatTurnsUpElsewhereIsSeen(t *testing.T) {
	w, me := newWorld(t), newAccount(t)
	raw, _ := me.transfer(1, 1, 10, 1)
	used, gone := me.transfer(0, 1, 10, 1)
	w.send(raw)
	w.rollup.Use(me.from, 1) // nonce 0 came into a block without this bundler
	if n := w.opened(1); n[0] != 1 {
		t.Fatalf("sealed %v", n)
	}
	if a := w.send(used); a.Error == nil || !strings.HasPrefix(a.Error.Message, "nonce too low") {
		t.Errorf("a used nonce %s: %+v", gone, a)
	}
}

func TestReplacement(t *testing.T) {
	w, me := newWorld(t), newAccount(t)
	old, hash := me.transfer(1, 11, 100, 10)
	w.send(old)
	for name, prices := range map[string][2]int64{"the same": {100, 10}, "the fee cap alone": {200, 10}, "the tip alone": {100, 20}, "too little": {109, 11}} {
		raw, _ := me.transfer(1, 22, prices[0], prices[1])
		if a := w.send(raw); a.Error == nil || a.Error.Message != "replacement transaction underpriced" {
			t.Errorf("%s: %+v", name, a)
		}
	}
	raw, replacement := me.transfer(1, 22, 110, 11)
	if a := w.send(raw); a.Result != replacement.Hex() {
		t.Fatalf("10 %% more: %+v", a)
	}
	for range 2 { // before and after a restart
		if s := w.status(hash); s["status"] != "dropped" || !strings.Contains(fmt.Sprint(s["reason"]), replacement.Hex()) {
			t.Errorf("status of the replaced one: %v", s)
		}
		w.stop()
		w.start()
	}
	first, _ := me.transfer(0, 1, 100, 10)
	w.send(first)
	sealed := w.rollup.Sealed(t, 2)
	if len(sealed) != 2 || string(w.plain(sealed[1])) != string(raw) {
		t.Errorf("%d were sealed", len(sealed))
	}
	late, _ := me.transfer(1, 33, 1000, 100)
	if a := w.send(late); a.Error == nil || !strings.HasPrefix(a.Error.Message, "replacement transaction underpriced") || a.Error.Code != -32000 {
		t.Errorf("what is sealed is replaced: %+v", a)
	}
	if n := len(w.rollup.Sealed(t, 2)); n != 2 {
		t.Errorf("%d were sealed", n)
	}
}

// TestWhatCannotRunIsRefusedInGethsWords: libraries make errors of their own from them.
func TestWhatCannotRunIsRefusedInGethsWords(t *testing.T) {
	w := newWorld(t)
	w.rollup.Charge(10)
	poor := newAccount(t)
	w.rollup.Own(poor.from, 3*21_000*10)
	sign := func(data types.TxData, chain int64) []byte {
		tx, err := types.SignNewTx(poor.key, types.LatestSignerForChainID(big.NewInt(chain)), data)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := tx.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	transfer := func(nonce uint64, gas uint64, feeCap, tip int64) *types.DynamicFeeTx {
		return &types.DynamicFeeTx{ChainID: big.NewInt(1337), Nonce: nonce, Gas: gas, GasFeeCap: big.NewInt(feeCap), GasTipCap: big.NewInt(tip), To: &common.Address{1}}
	}
	data, code := transfer(0, 21_000+16*1000, 10, 1), transfer(0, 10_000_000, 10, 1)
	data.Data, code.Data, code.To = []byte(strings.Repeat("x", 1000)), make([]byte, 49_153), nil
	for i, c := range []struct {
		raw  []byte
		want string
	}{
		{sign(transfer(0, 20_999, 10, 1), 1337), "intrinsic gas too low: gas 20999, minimum needed 21000"},
		{sign(data, 1337), "insufficient gas for floor data gas cost"},
		{sign(transfer(0, 21_000, 9, 1), 1337), "max fee per gas less than block base fee"},
		{sign(transfer(0, 21_000, 10, 11), 1337), "max priority fee per gas higher than max fee per gas"},
		{sign(transfer(0, 21_000, 31, 1), 1337), "insufficient funds for gas * price + value: balance 630000, tx cost 651000, overshot 21000"},
		{sign(&types.LegacyTx{Gas: 21_000, GasPrice: big.NewInt(10), To: &common.Address{1}}, 1), "invalid sender: invalid chain id for signer: have 1 want 1337"},
		{sign(code, 1337), "max initcode size exceeded"},
		{sign(transfer(1<<64-1, 21_000, 10, 1), 1337), "nonce has max value"},
		{sign(transfer(0, 20_000_000, 10, 1), 1337), "transaction gas limit too high"},
	} {
		if a := w.send(c.raw); a.Error == nil || !strings.HasPrefix(a.Error.Message, c.want) || a.Error.Code != -32000 {
			t.Errorf("%d: %+v, want %s", i, a.Error, c.want)
		}
	}
	for _, nonce := range []uint64{2, 0, 1} { // each can be paid, and together they can
		if a := w.send(sign(transfer(nonce, 21_000, 10, 1), 1337)); a.Error != nil {
			t.Errorf("nonce %d: %+v", nonce, a.Error)
		}
	}
	if a := w.send(sign(transfer(3, 21_000, 10, 1), 1337)); a.Error == nil || !strings.HasPrefix(a.Error.Message, "insufficient funds for gas * price + value: balance 630000, queued cost 630000, tx cost 210000, overshot 210000") {
		t.Errorf("a fourth: %+v", a)
	}
	if n := len(w.rollup.Sealed(t, 3)); n != 3 {
		t.Errorf("%d were sealed", n)
	}
}

func TestSendingSyncAnswersWithTheReceiptOrWhyThereIsNone(t *testing.T) {
	w, me := newWorld(t), newAccount(t)
	sync := func(raw []byte, more string) <-chan answer {
		got := make(chan answer, 1)
		go func() { got <- w.ask("eth_sendRawTransactionSync", fmt.Sprintf(`"0x%x"%s`, raw, more)) }()
		return got
	}
	first, hash := me.transfer(0, 1, 10, 1)
	got := sync(first, "")
	id := w.id(w.rollup.Sealed(t, 1)[0])
	w.rollup.Include(hash, me.from, 1)
	w.rollup.Order(id, "executed", 6)
	if a := <-got; a.Error != nil || a.Result.(map[string]any)["transactionHash"] != hash.Hex() {
		t.Errorf("executed: %+v", a)
	}
	second, hash := me.transfer(1, 1, 10, 1)
	got = sync(second, ",30000")
	w.rollup.Order(w.id(w.rollup.Sealed(t, 2)[1]), "ended", 7)
	if a := <-got; a.Error == nil || a.Error.Code != -32000 || !strings.Contains(a.Error.Message, "as the test says") {
		t.Errorf("ended: %+v", a)
	}
	if s := w.status(hash); s["status"] != "dropped" || s["reason"] != "as the test says" {
		t.Errorf("status %v", s)
	}
	early, _ := me.transfer(9, 1, 10, 1)
	if a := <-sync(early, ",50"); a.Error == nil || a.Error.Code != 4 || !strings.Contains(a.Error.Message, "waits for nonce 1") {
		t.Errorf("queued: %+v", a)
	}
	if a := <-sync(early, `,"soon"`); a.Error == nil || a.Error.Code != -32602 {
		t.Errorf("a timeout that is none: %+v", a)
	}
}
