package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"blindseq/dsn-node/offline/keygen"
	"blindseq/e2e/cluster"
	"blindseq/e2e/leak"
	"blindseq/e2e/load"
	"blindseq/kit/rediskeys"
	"blindseq/kit/redisx"
	"blindseq/seal"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
	"github.com/redis/go-redis/v9"
)

// eavesdropper sees what the bundler sends to the gateway, what Redis receives and holds, and all files of all services.
type eavesdropper struct {
	c        *cluster.Cluster
	requests *leak.Requests
	commands *leak.Commands
	redis    redis.UniversalClient
}

func TestASealedTransactionIsReadableNowhereBeforeItsPlaceIsCertified(t *testing.T) {
	t.Parallel()
	e := &eavesdropper{}
	args := onDemand()
	for _, name := range append(cluster.Services(), cluster.Bundler, cluster.Observer, cluster.Keyholder(0), cluster.Keyholder(3)) {
		args[name] = append(args[name], "--log-level", "debug") // all that a service could ever write
	}
	e.c = start(t, cluster.Options{
		Keyholders: 4, Threshold: 3, Bundler: true, Args: args,
		Fronts: map[string]cluster.Front{cluster.Gateway: func(address string, _ *keygen.Files) (string, error) {
			e.requests = leak.Record(address)
			t.Cleanup(e.requests.Close)
			return e.requests.Address(), nil
		}},
	})
	e.listen(t)
	client, accounts := wallet(t, e.c)
	plain, err := ethclient.DialContext(t.Context(), e.c.Wallets)
	must(t, err)
	t.Cleanup(plain.Close)

	sender := newcomer(t, client, accounts[0])

	// With two of four keyholders the sequencer accepts a proposal, and nobody can open what is in it.
	away := []*cluster.Process{e.c.Process(cluster.Keyholder(1)), e.c.Process(cluster.Keyholder(2))}
	for _, p := range away {
		must(t, p.Kill())
	}
	tx, needles := secretTransaction(t, sender)
	before := append(needles, leak.Needle{Name: "its sender", Bytes: sender.Address[:]})
	asAWalletDoes(t, plain, sender.Address, tx)
	sealed := e.sealedByTheBundler(t)
	e.awaitAccepted(t, sealed)
	looksForIt(t, plain, sender.Address, tx)
	e.mustFindNothing(t, before)
	e.mustOnlyAskOfSealed(t, sealed)
	if s := statusOf(t, client, common.Hash(sealed.ID())); s.Status != "sealed" && s.Status != "ordered" {
		t.Errorf("before its place is certified the sealed transaction is %v", s)
	}

	must(t, away[0].Start())
	r := receipt(t, client, tx.Hash())
	if r.Status != types.ReceiptStatusSuccessful || r.TxHash != tx.Hash() {
		t.Fatalf("receipt %+v", r)
	}
	e.mustFindInLogs(t, needles, sender.Address)
	oneThing(t, e.c, client, tx, sealed, r)
}

func (e *eavesdropper) listen(t *testing.T) {
	t.Helper()
	url := e.c.RedisURL()
	options, err := redis.ParseURL(url)
	must(t, err)
	e.commands, err = leak.Monitor(t.Context(), options.Addr)
	must(t, err)
	t.Cleanup(func() { _ = e.commands.Close() }) // the server may have ended first
	e.redis, err = redisx.Open(redisx.Config{URL: url, Deployment: rediskeys.OfChain(1337)})
	must(t, err)
	t.Cleanup(func() { _ = e.redis.Close() })
}

// newcomer is a funded account whose address no transaction shows: a contract's constructor pays it, which has the address in two
// halves that only together are one.
func newcomer(t *testing.T, client *ethclient.Client, from *load.Account) *load.Account {
	t.Helper()
	key, err := crypto.GenerateKey()
	must(t, err)
	to := load.NewAccount(key, big.NewInt(1337))
	mask := make([]byte, common.AddressLength)
	_, err = rand.Read(mask)
	must(t, err)
	half := make([]byte, common.AddressLength)
	subtle.XORBytes(half, mask, to.Address[:])
	code := slices.Concat([]byte{0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x34, 0x73}, half, []byte{0x73}, mask, []byte{0x18, 0x5a, 0xf1, 0x00})
	tx, err := from.Sign(&types.DynamicFeeTx{
		GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(100 * params.GWei), Gas: 200_000, Data: code, Value: big.NewInt(params.Ether),
		ChainID: big.NewInt(1337),
	})
	must(t, err)
	must(t, client.SendTransaction(t.Context(), tx))
	if r := receipt(t, client, tx.Hash()); r.Status != types.ReceiptStatusSuccessful {
		t.Fatalf("the newcomer's money: %+v", r)
	}
	return to
}

// asAWalletDoes asks all that a wallet asks before it sends, and sends.
func asAWalletDoes(t *testing.T, bundler *ethclient.Client, from common.Address, tx *types.Transaction) {
	t.Helper()
	eventually(t, "the newcomer's money at the bundler", func(ctx context.Context) (bool, error) {
		balance, err := bundler.BalanceAt(ctx, from, nil)
		return err == nil && balance.Sign() > 0, err
	})
	_, err := bundler.PendingNonceAt(t.Context(), from)
	must(t, err)
	_, err = bundler.SuggestGasTipCap(t.Context())
	must(t, err)
	call := ethereum.CallMsg{From: from, To: tx.To(), Data: tx.Data(), Value: tx.Value()}
	_, err = bundler.EstimateGas(t.Context(), call)
	must(t, err)
	_, err = bundler.CallContract(t.Context(), call, nil)
	must(t, err)
	must(t, bundler.SendTransaction(t.Context(), tx))
}

// looksForIt asks all that a wallet asks while a transaction waits.
func looksForIt(t *testing.T, bundler *ethclient.Client, from common.Address, tx *types.Transaction) {
	t.Helper()
	if _, err := bundler.TransactionReceipt(t.Context(), tx.Hash()); !errors.Is(err, ethereum.NotFound) {
		t.Errorf("receipt before its place is fixed: %v", err)
	}
	for method, param := range map[string]any{
		"eth_getTransactionByHash": tx.Hash(), "te_getTransactionStatus": tx.Hash(), "te_getOrderProof": tx.Hash(),
		"eth_getLogs": map[string]any{"address": tx.To()},
	} {
		var answer json.RawMessage
		err := bundler.Client().CallContext(t.Context(), &answer, method, param)
		if err != nil && method != "te_getOrderProof" {
			t.Errorf("%s: %v", method, err)
		}
		if method == "te_getTransactionStatus" && !strings.Contains(string(answer), "sealed") && !strings.Contains(string(answer), "ordered") {
			t.Errorf("status %s", answer)
		}
	}
	_, err := bundler.NonceAt(t.Context(), from, nil)
	must(t, err)
}

// secretTransaction is a transaction full of random bytes, and all by which it could be recognised, its hash included.
func secretTransaction(t *testing.T, from *load.Account) (*types.Transaction, []leak.Needle) {
	t.Helper()
	data := make([]byte, 64)
	_, err := rand.Read(data)
	must(t, err)
	to := common.BytesToAddress(crypto.Keccak256(data))
	tx, err := from.Sign(&types.DynamicFeeTx{
		GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(100 * params.GWei), Gas: 60_000, To: &to, Data: data,
		ChainID: big.NewInt(1337),
	})
	must(t, err)
	raw, err := tx.MarshalBinary()
	must(t, err)
	_, r, s := tx.RawSignatureValues()
	return tx, []leak.Needle{
		{Name: "the raw transaction", Bytes: raw}, {Name: "its data", Bytes: data}, {Name: "its receiver", Bytes: to[:]},
		{Name: "r of its signature", Bytes: r.Bytes()}, {Name: "s of its signature", Bytes: s.Bytes()},
		{Name: "its hash", Bytes: tx.Hash().Bytes()},
		{Name: "the hash that is signed", Bytes: types.LatestSignerForChainID(tx.ChainId()).Hash(tx).Bytes()},
	}
}

// sealedByTheBundler finds the sealed transaction that the bundler sent: the test makes it send one.
func (e *eavesdropper) sealedByTheBundler(t *testing.T) *seal.Sealed {
	t.Helper()
	for _, request := range e.requests.All() {
		_, body, _ := bytes.Cut(request, []byte("\r\n\r\n"))
		var call struct {
			Method string
			Params []hexutil.Bytes
		}
		if json.Unmarshal(body, &call) != nil || call.Method != "eth_sendRawTransaction" {
			continue
		}
		sealed, err := seal.Parse(call.Params[0])
		must(t, err)
		return sealed
	}
	t.Fatal("the bundler sent no sealed transaction")
	return nil
}

// mustOnlyAskOfSealed: what the gateway got from the bundler are sealed transactions, and questions that name nothing but those, the
// bundler and the chain.
func (e *eavesdropper) mustOnlyAskOfSealed(t *testing.T, sealed *seal.Sealed) {
	t.Helper()
	allowed := map[string]string{
		"eth_chainId": `null`, "te_getNextSeq": fmt.Sprintf(`["%#x"]`, sealed.Submitter), "te_getTransactionStatus": fmt.Sprintf(`["%s"]`, common.Hash(sealed.ID())),
		"eth_sendRawTransaction": fmt.Sprintf(`["%#x"]`, sealed.Encode()),
	}
	for _, request := range e.requests.All() {
		_, body, _ := bytes.Cut(request, []byte("\r\n\r\n"))
		for _, call := range callsIn(t, body) {
			want, ok := allowed[call.Method]
			if params := string(call.Params); !ok || params != want && !(want == "null" && (params == "" || params == "[]")) {
				t.Errorf("the bundler asked the gateway %s %s", call.Method, call.Params)
			}
		}
	}
}

type rpcCall struct {
	Method string
	Params json.RawMessage
}

func callsIn(t *testing.T, body []byte) (calls []rpcCall) {
	t.Helper()
	if json.Unmarshal(body, &calls) == nil {
		return calls
	}
	var one rpcCall
	must(t, json.Unmarshal(body, &one))
	return []rpcCall{one}
}

// awaitAccepted waits until the sequencer has accepted a proposal with the sealed transaction, and lacks keyholders.
func (e *eavesdropper) awaitAccepted(t *testing.T, sealed *seal.Sealed) {
	t.Helper()
	search, err := leak.NewSearch(leak.Needle{Name: "the sealed transaction", Bytes: sealed.Encode()})
	must(t, err)
	eventually(t, "the sealed transaction in the sequencer's log, not certified", func(context.Context) (bool, error) {
		scan, err := search.Files(e.c.DataDir(cluster.DSN))
		s := sequencer(t, e.c)
		return err == nil && len(scan.Found) > 0 && s.GetAcceptedNumber() == s.GetLastNumber()+1 &&
			inAll(s.GetWaiting(), "attestations", "2 of 3"), fmt.Errorf("found %v, status %v (%w)", scan.Found, s, err)
	})
}

func (e *eavesdropper) mustFindNothing(t *testing.T, needles []leak.Needle) {
	t.Helper()
	control := leak.Needle{Name: "the control", Bytes: []byte("written by the test, to be found")}
	must(t, e.redis.Set(t.Context(), "control", control.Bytes, time.Minute).Err())
	search, err := leak.NewSearch(append(needles, control)...)
	must(t, err)
	requests := bytes.Join(e.requests.All(), []byte("\n"))
	values, err := leak.Values(t.Context(), e.redis)
	must(t, err)
	commands := e.commands.All()
	for where, b := range map[string][]byte{"Redis values": values, "Redis commands": commands} {
		if found := search.In(b); len(found) != 1 || found[0] != control.Name {
			t.Errorf("%s: found %v, want the control alone", where, found)
		}
	}
	if found := search.In(requests); len(found) != 0 {
		t.Errorf("requests of the bundler: found %v", found)
	}
	scan, err := search.Files(e.c.Dir()) // data and logs, the bundler's too
	must(t, err)
	for _, found := range scan.Found {
		t.Errorf("files: found %s", found)
	}
	t.Logf("looked through %d requests of the bundler, %d bytes of Redis values, %d of Redis commands, %d files of %d bytes",
		len(e.requests.All()), len(values), len(commands), scan.Files, scan.Bytes)
}

// mustFindInLogs is the control: now that it is opened, the same search finds it where it has to be.
func (e *eavesdropper) mustFindInLogs(t *testing.T, needles []leak.Needle, sender common.Address) {
	t.Helper()
	dsn, producer := e.c.DataDir(cluster.DSN), filepath.Join(e.c.DataDir(cluster.Producer), "log")
	for i, n := range needles[:len(needles)-1] { // what is signed is not written anywhere
		search, err := leak.NewSearch(n)
		must(t, err)
		dirs := []string{dsn, producer}
		if i == len(needles)-2 {
			dirs = dirs[1:] // the DSN writes no hash of what was inside
		}
		for _, dir := range dirs {
			if scan, err := search.Files(dir); err != nil || len(scan.Found) == 0 {
				t.Errorf("%s is not found in %s after the transaction was opened (%v)", n.Name, dir, err)
			}
		}
	}
	raw, err := leak.NewSearch(needles[0])
	must(t, err)
	if found := raw.In(bytes.Join(e.requests.All(), nil)); len(found) != 0 {
		t.Errorf("requests of the bundler, afterwards: found %v", found)
	}
	// Sent in plain through the same proxy, it is found.
	direct, err := ethclient.DialContext(t.Context(), "http://"+e.requests.Address())
	must(t, err)
	defer direct.Close()
	must(t, direct.Client().CallContext(t.Context(), new(json.RawMessage), "web3_sha3", hexutil.Bytes(needles[0].Bytes)))
	if found := raw.In(bytes.Join(e.requests.All(), nil)); len(found) == 0 {
		t.Error("what went through the proxy in plain is not found")
	}
	who, err := leak.NewSearch(leak.Needle{Name: "its sender", Bytes: sender[:]})
	must(t, err)
	_, err = direct.NonceAt(t.Context(), sender, nil)
	must(t, err)
	if found := who.In(bytes.Join(e.requests.All(), nil)); len(found) == 0 {
		t.Error("a question about the sender that went through the proxy is not found")
	}
}

// oneThing: by the hash of the transaction and by the id of the sealed one the same is found.
func oneThing(t *testing.T, c *cluster.Cluster, client *ethclient.Client, tx *types.Transaction, sealed *seal.Sealed, r *types.Receipt) {
	t.Helper()
	by := committeeOf(t, c)
	for hash, want := range map[common.Hash]string{tx.Hash(): "included", common.Hash(sealed.ID()): "executed"} {
		if s := statusOf(t, client, hash); s.Status != want || uint64(s.BlockNumber) != r.BlockNumber.Uint64() {
			t.Errorf("%s is %+v, want %s in %s", hash, s, want, r.BlockNumber)
		}
		if again := receipt(t, client, hash); again.TxHash != tx.Hash() || again.BlockHash != r.BlockHash {
			t.Errorf("receipt of %s: %+v", hash, again)
		}
		if found, pending, err := client.TransactionByHash(t.Context(), hash); err != nil || pending || found.Hash() != tx.Hash() {
			t.Errorf("transaction %s: %v, pending %v, %v", hash, found, pending, err)
		}
		proof := orderProof(t, client, by, hash)
		if proof.Hash != crypto.Keccak256Hash(sealed.Encode()) || uint64(proof.Number) != r.BlockNumber.Uint64() || len(proof.Attestations) < by.Quorum() {
			t.Errorf("order proof of %s: %s at %d with %d attestations", hash, proof.Hash, proof.Number, len(proof.Attestations))
		}
	}
	mustInspect(t, c, client, tx, r.BlockNumber.Uint64())
}

// mustInspect: dsn-node inspect verifies preblock and order proof as they are served, with the committee's file alone.
func mustInspect(t *testing.T, c *cluster.Cluster, client *ethclient.Client, tx *types.Transaction, number uint64) {
	t.Helper()
	status, fixed := get(t, fmt.Sprintf("%s/v1/preblocks/%d", c.REST, number))
	if status != http.StatusOK {
		t.Fatalf("preblock %d: status %d: %s", number, status, fixed)
	}
	var proof json.RawMessage
	must(t, client.Client().CallContext(t.Context(), &proof, "te_getOrderProof", tx.Hash()))
	for want, object := range map[string][]byte{"opened to " + tx.Hash().Hex(): fixed, "order proof of": proof} {
		file := filepath.Join(t.TempDir(), "object.json")
		must(t, os.WriteFile(file, object, 0o600))
		if out, err := inspect(t.Context(), c.Keys.Committee, file); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("dsn-node inspect, want %q: %v\n%s", want, err, out)
		}
	}
}
