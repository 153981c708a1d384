package bundler

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"blindseq/dsn-node/bundler/rolluptest"
	"blindseq/dsn-node/internal/identity"
	"blindseq/kit/config"
	"blindseq/seal"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client leaves no connections behind.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// wallet is an account that signs transfers.
type wallet struct {
	from common.Address
	sign func(nonce uint64) (raw []byte, hash common.Hash)
}

func newWallet(t *testing.T, chain int64) wallet {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return wallet{crypto.PubkeyToAddress(key.PublicKey), func(nonce uint64) ([]byte, common.Hash) {
		tx, err := types.SignNewTx(key, types.LatestSignerForChainID(big.NewInt(chain)), &types.DynamicFeeTx{
			ChainID: big.NewInt(chain), Nonce: nonce, Gas: 21000, GasFeeCap: big.NewInt(1), GasTipCap: big.NewInt(1), To: &common.Address{1}, Value: big.NewInt(7),
		})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := tx.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return raw, tx.Hash()
	}}
}

// world is a bundler over a rollup.
type world struct {
	*committeetest.Committee
	t         *testing.T
	rollup    *rolluptest.Rollup
	cfg       Config
	service   *Service
	submitter common.Address
	log       *logBuffer
	stop      func()
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Committee: committeetest.New(t, 4, 3, 1), t: t, log: &logBuffer{}}
	w.rollup = rolluptest.New(t, w.Ring())
	dir := t.TempDir()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	w.submitter = crypto.PubkeyToAddress(key.PublicKey)
	if err := config.Defaults(&w.cfg); err != nil {
		t.Fatal(err)
	}
	w.cfg.RPCAddress, w.cfg.HTTPAddress, w.cfg.GRPCAddress = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	w.cfg.RollupRPC, w.cfg.ObserverRPC, w.cfg.DataDir = w.rollup.URL, w.rollup.Observer, filepath.Join(dir, "data")
	w.cfg.CommitteeFile, w.cfg.IdentityFile = filepath.Join(dir, "committee.json"), filepath.Join(dir, "key")
	if err := identity.Write(w.cfg.IdentityFile, key, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(w.cfg.CommitteeFile); err != nil {
		t.Fatal(err)
	}
	w.start()
	t.Cleanup(func() {
		for line := range strings.Lines(w.log.String()) {
			if aboutOne.MatchString(line) && !strings.Contains(line, " hash=0x") {
				t.Errorf("a line about a transaction without its hash: %s", line)
			}
		}
	})
	return w
}

// aboutOne matches a log line about one transaction.
var aboutOne = regexp.MustCompile(`msg="[^"]*transaction[^s]`)

func (w *world) start() {
	w.t.Helper()
	var err error
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if w.service, err = New(w.t.Context(), w.cfg, log); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.service.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(func() { w.stop() })
}

func (w *world) post(body string) string {
	w.t.Helper()
	rpc, _ := w.service.Addresses()
	res, err := client.Post("http://"+rpc, "application/json", strings.NewReader(body))
	if err != nil {
		w.t.Error(err) // perhaps from a goroutine of the test's
		return ""
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Error(err)
	}
	return string(b)
}

type answer struct {
	ID     json.RawMessage
	Result any
	Error  *rolluptest.Error
}

func (w *world) call(method, param string) answer {
	w.t.Helper()
	return decoded(w.t, w.post(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":[%q]}`, method, param)))
}

func decoded(t *testing.T, text string) (a answer) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Errorf("%s: %v", text, err)
	}
	return a
}

func (w *world) send(raw []byte) answer {
	return w.call("eth_sendRawTransaction", fmt.Sprintf("0x%x", raw))
}

// waitEmpty waits until nothing is pending.
func (w *world) waitEmpty() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for w.service.box.Len() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.t.Fatalf("%d transactions still wait", w.service.box.Len())
		}
	}
}

func (w *world) plain(raw []byte) []byte {
	w.t.Helper()
	return w.Outcome(0, raw).GetOpened().GetTransaction()
}

// id is that of a sealed transaction.
func (w *world) id(raw []byte) seal.ID {
	w.t.Helper()
	return w.Checked(raw).Sealed().ID()
}

func TestPlainTransactionReachesTheRollupSealedAndNowhereInPlain(t *testing.T) {
	w := newWorld(t)
	me := newWallet(t, 1337)
	raw, hash := me.sign(0)
	if a := w.send(raw); a.Error != nil || a.Result != hash.Hex() {
		t.Fatalf("answer %+v", a)
	}
	for _, method := range []string{"eth_getTransactionByHash", "eth_getTransactionReceipt", "te_getTransactionStatus"} {
		if a := w.call(method, hash.Hex()); a.Error != nil {
			t.Fatalf("%s: %+v", method, a)
		}
	}
	sent := w.rollup.Sealed(t, 1)[0]
	header := w.Checked(sent).Sealed().Header
	want := seal.Header{ChainID: 1337, Key: w.Keys.ID(), Submitter: w.submitter, Gas: 50_000, Fee: 1, Expiry: 50_005}
	if header != want {
		t.Fatalf("header %+v, not %+v", header, want)
	}
	if !bytes.Equal(w.plain(sent), raw) {
		t.Fatal("it opens to another transaction")
	}
	w.rollup.Forget()
	w.rollup.Sealed(t, 2)
	w.stop()
	secrets := []string{fmt.Sprintf("%x", raw[:20]), fmt.Sprintf("%x", raw[len(raw)-20:]), fmt.Sprintf("%x", hash), fmt.Sprintf("%x", me.from)}
	for _, body := range append(w.rollup.Received(), w.log.String()) {
		for _, secret := range secrets {
			if strings.Contains(strings.ToLower(body), secret) {
				t.Fatalf("%s is in %s", secret, body)
			}
		}
	}
	err := filepath.WalkDir(w.cfg.DataDir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, me.from[:]) || bytes.Contains(b, raw[len(raw)-20:]) || bytes.Contains(b, raw[:20]) || bytes.Contains(b, hash[:]) {
			t.Errorf("the plain transaction or its hash is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTransactionIsHandedInAgainUntilItIsInABlock(t *testing.T) {
	w := newWorld(t)
	me := newWallet(t, 1337)
	raw, hash := me.sign(0)
	w.send(raw)
	w.rollup.Forget()
	sealed := w.rollup.Sealed(t, 2)
	if !bytes.Equal(sealed[0], sealed[1]) {
		t.Fatal("it was sealed anew")
	}
	if a := w.send(raw); a.Error != nil || a.Result != hash.Hex() {
		t.Fatalf("a repeat of the wallet: %+v", a)
	}
	w.rollup.Order(w.id(sealed[0]), "executed", 6)
	w.waitEmpty()
}

func TestExpiredTransactionIsSealedAnewAlsoAfterARestart(t *testing.T) {
	w := newWorld(t)
	raw, _ := newWallet(t, 1337).sign(0)
	w.send(raw)
	w.stop()
	w.rollup.Forget()
	w.rollup.Begin(0, 60_000)
	w.start()
	sealed := w.rollup.Sealed(t, 2)
	if header := w.Checked(sealed[1]).Sealed().Header; header.Seq != 0 || header.Expiry != 110_000 || !bytes.Equal(w.plain(sealed[1]), raw) {
		t.Fatalf("sealed anew with %+v", header)
	}
}

func TestTransactionEndsWhenItCanNeverBeInABlock(t *testing.T) {
	w := newWorld(t)
	me, other := newWallet(t, 1337), newWallet(t, 1337)
	raw, _ := me.sign(0)
	w.send(raw)
	w.rollup.Use(me.from, 1)
	w.rollup.Order(w.id(w.rollup.Sealed(t, 1)[0]), "ended", 6)
	w.waitEmpty()
	raw, _ = other.sign(0)
	w.send(raw)
	w.rollup.Order(w.id(w.rollup.Sealed(t, 2)[1]), "ended", 7)
	w.waitEmpty()
	w.stop() // it is written when they are gone
	for _, want := range []string{"result=replaced", "result=skipped"} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

func TestWhatTheRollupHoldsIsNotHandedInAgain(t *testing.T) {
	w := newWorld(t)
	first, _ := newWallet(t, 1337).sign(0)
	w.send(first)
	w.rollup.Order(w.id(w.rollup.Sealed(t, 1)[0]), "ordered", 6)
	for n := 2; n < 4; n++ {
		second, _ := newWallet(t, 1337).sign(0)
		w.send(second)
		w.rollup.Forget()
		w.rollup.Sealed(t, n+1) // this one was lost meanwhile
		w.rollup.Order(w.id(w.rollup.Sealed(t, n)[n-1]), "executed", uint64(n+5))
	}
	count := 0
	for _, raw := range w.rollup.Sealed(t, 4) {
		if bytes.Equal(w.plain(raw), first) {
			count++
		}
	}
	if count != 1 {
		t.Fatalf("sent %d times", count)
	}
}

func TestSeqsOfManyWalletsAreConsecutive(t *testing.T) {
	w := newWorld(t)
	var wallets sync.WaitGroup
	for range 8 {
		me := newWallet(t, 1337)
		wallets.Go(func() {
			for nonce := range uint64(4) {
				raw, hash := me.sign(nonce)
				if a := w.send(raw); a.Result != hash.Hex() {
					t.Errorf("answer %+v", a)
				}
			}
		})
	}
	wallets.Wait()
	seen := map[uint64]bool{}
	for _, raw := range w.rollup.Sealed(t, 32) {
		seen[w.Checked(raw).Sealed().Seq] = true
	}
	for seq := range uint64(32) {
		if !seen[seq] {
			t.Errorf("seq %d is missing", seq)
		}
	}
}

func TestRefusalsOfTheRollupAreAnsweredAndForgotten(t *testing.T) {
	w := newWorld(t)
	w.rollup.Refuse(&rolluptest.Error{Code: -32010, Message: "nothing today"})
	raw, hash := newWallet(t, 1337).sign(0)
	if a := w.send(raw); a.Error == nil || *a.Error != (rolluptest.Error{Code: -32010, Message: "nothing today"}) {
		t.Fatalf("answer %+v", a)
	}
	if n := w.service.box.Len(); n != 0 {
		t.Fatalf("%d kept", n)
	}
	w.rollup.Refuse(nil)
	if a := w.send(raw); a.Result != hash.Hex() {
		t.Fatalf("sent again: %+v", a)
	}
}

func TestRollupThatIsAwayIsWaitedForAndThenNamed(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.cfg.AcceptTimeout = 300 * time.Millisecond
	w.rollup.Away(true)
	w.start()
	raw, hash := newWallet(t, 1337).sign(0)
	a := w.send(raw)
	if a.Error == nil || a.Error.Code != -32002 || !strings.Contains(a.Error.Message, "does not answer") || w.service.box.Len() != 0 {
		t.Fatalf("answer %+v, %d kept", a, w.service.box.Len())
	}
	if a := w.call("eth_getBlockByNumber", "latest"); a.Error == nil {
		t.Fatal("answered without a rollup")
	}
	w.stop()
	w.cfg.AcceptTimeout = time.Minute
	w.rollup.Away(false)
	w.start()
	w.rollup.LoseAnswers(1) // then the second attempt is a repeat, which is refused; but it is there
	if a := w.send(raw); a.Result != hash.Hex() {
		t.Fatalf("answer lost: %+v", a)
	}
}

func TestTransactionsThatWouldBeSkippedAreRefused(t *testing.T) {
	w := newWorld(t)
	me, poor := newWallet(t, 1337), newWallet(t, 1337)
	w.rollup.Use(me.from, 5)
	w.rollup.Poor(poor.from)
	sign := func(of wallet, nonce uint64) []byte { raw, _ := of.sign(nonce); return raw }
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"used nonce":    {sign(me, 4), "nonce too low: next nonce 5"},
		"no funds":      {sign(poor, 0), "insufficient funds"},
		"another chain": {sign(newWallet(t, 1), 0), "invalid chain id for signer: have 1 want 1337"},
		"garbage":       {[]byte{1, 2, 3}, "not a signed transaction"},
		"too large":     {make([]byte, seal.MaxTxBytes+1), "oversized data"},
	} {
		if a := w.send(c.raw); a.Error == nil || !strings.Contains(a.Error.Message, c.want) {
			t.Errorf("%s: %+v", name, a)
		}
	}
	for nonce := uint64(5); nonce < 8; nonce++ { // those that wait fill the gap
		if a := w.send(sign(me, nonce)); a.Error != nil {
			t.Errorf("nonce %d: %+v", nonce, a.Error)
		}
	}
	if n := len(w.rollup.Sealed(t, 3)); n != 3 {
		t.Errorf("%d sealed transactions", n)
	}
}

func TestPendingTransactionIsFoundAsItWasSigned(t *testing.T) {
	w := newWorld(t)
	me := newWallet(t, 1337)
	w.rollup.Use(me.from, 3)
	raw, hash := me.sign(3)
	w.send(raw)
	a := w.call("eth_getTransactionByHash", hash.Hex())
	found, ok := a.Result.(map[string]any)
	if !ok {
		t.Fatalf("answer %+v", a)
	}
	for field, want := range map[string]any{
		"hash": hash.Hex(), "from": strings.ToLower(me.from.Hex()), "nonce": "0x3", "type": "0x2", "value": "0x7", "gas": "0x5208", "gasPrice": "0x1", "chainId": "0x539",
		"input": "0x", "to": "0x0100000000000000000000000000000000000000", "blockHash": nil, "blockNumber": nil, "transactionIndex": nil,
	} {
		if found[field] != want {
			t.Errorf("%s is %v, not %v", field, found[field], want)
		}
	}
	if a := w.call("eth_getRawTransactionByHash", hash.Hex()); a.Result != fmt.Sprintf("0x%x", raw) {
		t.Errorf("raw: %+v", a)
	}
	if a := w.call("eth_getTransactionByHash", common.Hash{1}.Hex()); a.Result != nil || a.Error != nil {
		t.Fatalf("of nobody: %+v", a)
	}
	if a := w.call("eth_getTransactionReceipt", hash.Hex()); a.Result != nil || a.Error != nil {
		t.Fatalf("receipt %+v", a)
	}
	if a := w.call("te_getTransactionStatus", hash.Hex()); a.Error != nil || a.Result.(map[string]any)["status"] != "sealed" {
		t.Fatalf("status %+v", a)
	}
	w.rollup.Include(hash, me.from, 1)
	w.rollup.Order(w.id(w.rollup.Sealed(t, 1)[0]), "executed", 5)
	if a := w.call("eth_getTransactionReceipt", hash.Hex()); a.Result == nil {
		t.Fatalf("the receipt is hidden: %+v", a)
	}
	a = w.call("eth_getTransactionByHash", hash.Hex())
	if found, ok := a.Result.(map[string]any); !ok || found["fromRollup"] != true {
		t.Fatalf("the rollup's answer is hidden: %+v", a)
	}
}

func TestBatchMixesTransactionsAndTheRest(t *testing.T) {
	w := newWorld(t)
	me := newWallet(t, 1337)
	first, hash := me.sign(0)
	second, hash2 := me.sign(1)
	text := w.post(fmt.Sprintf(`[{"jsonrpc":"2.0","id":"a","method":"eth_chainId"},
		{"jsonrpc":"2.0","id":2,"method":"eth_sendRawTransaction","params":["0x%x"]},
		{"jsonrpc":"2.0","method":"eth_blockNumber"}, 7,
		{"jsonrpc":"2.0","id":3,"method":"eth_sendRawTransactionSync","params":["0x%x",1]},
		{"jsonrpc":"2.0","method":"eth_sendRawTransaction","params":["0x%x"]},
		{"jsonrpc":"2.0","id":2,"method":"eth_getTransactionByHash","params":["%s"]},
		{"jsonrpc":"2.0","id":2,"method":"eth_blockNumber"}]`, first, second, second, hash2))
	var answers []answer
	if err := json.Unmarshal([]byte(text), &answers); err != nil || len(answers) != 6 {
		t.Fatalf("%v: %s", err, text)
	}
	if answers[0].Result != "0x539" || string(answers[0].ID) != `"a"` || answers[1].Result != hash.Hex() || answers[2].Error.Code != -32600 ||
		answers[3].Error == nil || answers[3].Error.Code != 4 || answers[4].Result == nil && answers[5].Result == nil {
		t.Fatalf("answers %s", text)
	}
	w.rollup.Sealed(t, 2) // the notification was taken too
	if text := w.post(`[{"jsonrpc":"2.0","method":"eth_blockNumber"}]`); text != "" {
		t.Fatalf("a batch of notifications is answered: %s", text)
	}
}

// simulations are calls that show a transaction in plain, here by a word.
const simulations = `[{"jsonrpc":"2.0","id":1,"method":"eth_estimateGas","params":[{"to":"0x00","data":"secret"}]},
	{"jsonrpc":"2.0","id":2,"method":"eth_blockNumber"},
	{"jsonrpc":"2.0","id":3,"method":"eth_createAccessList","params":[{"to":"0x00","data":"secret"}]}]`

func count(bodies []string, word string) (n int) {
	for _, body := range bodies {
		n += strings.Count(body, word)
	}
	return n
}

func TestSimulationsAreRefusedWhenTheyAreTo(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.cfg.Simulations = "refuse"
	w.start()
	if a := w.call("eth_call", "secret"); a.Error == nil || a.Error.Code != -32000 || !strings.Contains(a.Error.Message, "set gas") || !strings.Contains(a.Error.Message, "--simulations=refuse") {
		t.Errorf("answer %+v", a)
	}
	var answers []answer
	if text := w.post(simulations); json.Unmarshal([]byte(text), &answers) != nil || len(answers) != 3 ||
		answers[0].Error == nil || answers[1].Result != "0x5" || answers[2].Error == nil {
		t.Errorf("answers %s", text)
	}
	raw, hash := newWallet(t, 1337).sign(0)
	if a := w.send(raw); a.Result != hash.Hex() {
		t.Errorf("sending: %+v", a)
	}
	if n := count(w.rollup.Received(), "secret") + count(w.rollup.Observed(), "secret"); n != 0 {
		t.Errorf("%d of them were forwarded", n)
	}
}

func TestWhatWalletsAskGoesToTheObserver(t *testing.T) {
	w := newWorld(t)
	w.call("eth_call", "secret")
	var answers []answer
	if text := w.post(simulations); json.Unmarshal([]byte(text), &answers) != nil || len(answers) != 3 || answers[1].Result != "0x5" {
		t.Errorf("answers %s", text)
	}
	me := newWallet(t, 1337)
	for _, method := range []string{"eth_getTransactionCount", "eth_getBalance", "eth_getCode", "eth_getStorageAt", "eth_getProof", "eth_getLogs", "eth_newFilter",
		"debug_traceTransaction", "eth_getTransactionReceipt", "te_getOrderProof", "te_getTransactionStatus", "some_newMethod"} {
		w.call(method, me.from.Hex()) // the leader of the test fails it
	}
	if there := count(w.rollup.Observed(), "secret"); there != 3 {
		t.Errorf("%d of 3 reached the observer", there)
	}
	if here := count(w.rollup.Received(), strings.ToLower(me.from.Hex()[2:])) + count(w.rollup.Received(), me.from.Hex()[2:]); here != 0 {
		t.Errorf("%d reached the leader", here)
	}
}

func TestWithoutAnObserverNobodyIsAskedAboutASender(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.cfg.ObserverRPC = ""
	w.start()
	me := newWallet(t, 1337)
	raw, hash := me.sign(0)
	for name, a := range map[string]answer{
		"send": w.send(raw), "simulate": w.call("eth_estimateGas", "secret"), "nonce": w.call("eth_getTransactionCount", me.from.Hex()),
		"balance": w.call("eth_getBalance", me.from.Hex()), "receipt": w.call("eth_getTransactionReceipt", hash.Hex()),
		"hash": w.call("eth_getTransactionByHash", hash.Hex()), "status": w.call("te_getTransactionStatus", hash.Hex()), "any": w.call("some_newMethod", "secret"),
		"logs": w.call("eth_getLogs", "secret"), "hashed": w.call("web3_sha3", "secret"),
	} {
		if a.Error == nil || !strings.Contains(a.Error.Message, "--observer-rpc") {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if a := w.call("eth_feeHistory", "0x1"); a.Error != nil {
		t.Errorf("what names nobody: %+v", a)
	}
	sealed := w.Sealed([]byte("plain"))
	if a := w.send(sealed); a.Result != w.id(sealed).String() {
		t.Errorf("what is sealed: %+v", a)
	}
	w.stop()
	for _, body := range w.rollup.Received() {
		if strings.Contains(strings.ToLower(body), strings.ToLower(me.from.Hex()[2:])) || strings.Contains(body, "secret") || strings.Contains(body, hash.Hex()) {
			t.Errorf("the leader got %s", body)
		}
	}
	if !strings.Contains(w.log.String(), "bundler has no observer") {
		t.Error("the log does not say it")
	}
}

func TestSealedTransactionsOfWalletsAreForwardedAsTheyAre(t *testing.T) {
	w := newWorld(t)
	raw := w.Sealed([]byte("plain"))
	if a := w.send(raw); a.Result != w.id(raw).String() || !bytes.Equal(w.rollup.Sealed(t, 1)[0], raw) || w.service.box.Len() != 0 {
		t.Fatalf("answer %+v", a)
	}
}

func TestMoreGasThanTheChainAllowsForSealedTransactionsIsRefused(t *testing.T) {
	w := newWorld(t)
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	tx, err := types.SignNewTx(key, types.LatestSignerForChainID(big.NewInt(1337)), &types.LegacyTx{Gas: 15_000_001, GasPrice: big.NewInt(1), To: &common.Address{1}})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if a := w.send(raw); a.Error == nil || !strings.Contains(a.Error.Message, "transaction gas limit too high (cap: 15000000, tx: 15000001)") {
		t.Fatalf("answer %+v", a)
	}
}

func TestBadRequestsAreRefused(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]string{
		"":   "-32700",
		"{":  "-32700",
		"[":  "-32700",
		"[]": "-32600",
		`{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":[]}`:     "-32602",
		`{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["00"]}`: "-32602",
		`{"jsonrpc":"2.0","id":1,"method":"eth_sendTransaction","params":[{}]}`:      "-32601",
		`{"jsonrpc":"2.0","id":1,"method":"personal_sign","params":[]}`:              "-32601",
		"[" + strings.Repeat("1,", 1000) + "1]":                                      "-32600",
		strings.Repeat(" ", 6<<20):                                                   "at most",
	} {
		if text := w.post(body); !strings.Contains(text, want) {
			t.Errorf("%.40q: %s", body, text)
		}
	}
}

func TestPendingTransactionsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.cfg.MaxPending = 2
	w.start()
	me := newWallet(t, 1337)
	for nonce := range uint64(3) {
		raw, _ := me.sign(nonce)
		if a := w.send(raw); (a.Error != nil) != (nonce == 2) || a.Error != nil && a.Error.Code != -32005 {
			t.Fatalf("nonce %d: %+v", nonce, a)
		}
	}
}

func TestReadinessSaysWhatTheRollupLacks(t *testing.T) {
	w := newWorld(t)
	w.stop()
	w.rollup.Away(true)
	w.start()
	_, address := w.service.Addresses()
	res, err := client.Get("http://" + address + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(b), "rollup") {
		t.Fatalf("%d %s, %v", res.StatusCode, b, err)
	}
}
