package e2e

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/load"
	"blindseq/e2e/rest"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
)

// garbage is a bundle with something wrong in it that shows after it was opened only.
type garbage struct {
	name   string
	raw    []byte
	status string // of te_getTransactionStatus
	reason string // begins with
	kept   preblockv1.UndecryptableReason
}

func TestBundlesThatAreGarbageInsideAreSkippedAndTheNextTransactionsRun(t *testing.T) {
	t.Parallel()
	began := time.Now()
	c := start(t, cluster.Options{Keyholders: 4, Threshold: 3, Args: onDemand()})
	client, accounts := wallet(t, c)
	by := committeeOf(t, c)
	api := rest.New(c.REST, 2)
	t.Cleanup(api.Close)
	refusedAtOnce(t, client, by)

	all := hiddenGarbage(t, by)
	pool(t, api, "lock") // so that all are in one preblock
	var hashes []common.Hash
	for _, g := range all {
		hashes = append(hashes, sendBundle(t, client, g.raw))
	}
	encrypted, err := accounts[0].Transfer(accounts[0].Address)
	must(t, err)
	bundle, err := load.Encrypt(by.Keys.Master(), encrypted)
	must(t, err)
	sendBundle(t, client, bundle.Encode())
	plain, err := accounts[1].Transfer(accounts[1].Address)
	must(t, err)
	must(t, client.SendTransaction(t.Context(), plain))
	pool(t, api, "unlock")

	number := receipt(t, client, encrypted.Hash()).BlockNumber
	if r := receipt(t, client, plain.Hash()); r.BlockNumber.Cmp(number) != 0 {
		t.Errorf("the plain transaction is in block %s, the encrypted one in %s", r.BlockNumber, number)
	}
	outcomes := outcomesOf(preblock(t, c, number.Uint64()))
	for i, g := range all {
		s := statusOf(t, client, hashes[i])
		t.Logf("%s: %s in block %d: %s", g.name, s.Status, s.BlockNumber, s.Reason)
		if s.Status != g.status || !strings.HasPrefix(s.Reason, g.reason) || uint64(s.BlockNumber) != number.Uint64() {
			t.Errorf("%s: %+v, want %s in block %s: %s", g.name, s, g.status, number, g.reason)
		}
		if got, ok := outcomes[hashes[i]]; !ok || got != g.kept {
			t.Errorf("%s: the preblock says %s (%v), want %s", g.name, got, ok, g.kept)
		}
		orderProof(t, client, by, hashes[i])
	}
	t.Logf("%d bundles that are garbage and two good transactions in preblock %s; %s", len(all), number, time.Since(began).Round(time.Millisecond))
}

// refusedAtOnce sends what shows to be garbage before it is opened.
func refusedAtOnce(t *testing.T, client *ethclient.Client, by *committee.Committee) {
	good := func() *te.Bundle { return encrypted(t, by, signedFor(t, 1337)) }
	truncated := good().Encode()
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"cut off":                         {truncated[:len(truncated)-9], "malformed"},
		"nothing but a type":              {[]byte{te.BundleType}, "malformed"},
		"another hash of the transaction": {changed(good(), func(b *te.Bundle) { b.Payload.Txs[0].Hash[0] ^= 1 }), "payload hash"},
		"another key":                     {changed(good(), func(b *te.Bundle) { b.Payload.Ciphertext.EncryptedKey[0] ^= 1 }), "proof does not hold"},
	} {
		err := client.Client().CallContext(t.Context(), nil, "eth_sendRawTransaction", hexutil.Bytes(c.raw))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: answered with %v, want %q", name, err, c.want)
		}
		if s := statusOf(t, client, crypto.Keccak256Hash(c.raw)); s.Status != "unknown" {
			t.Errorf("%s: refused and %s", name, s.Status)
		}
	}
}

func hiddenGarbage(t *testing.T, by *committee.Committee) []garbage {
	t.Helper()
	good := func() *te.Bundle { return encrypted(t, by, signedFor(t, 1337)) }
	const (
		keyHash = preblockv1.UndecryptableReason_UNDECRYPTABLE_REASON_KEY_HASH
		txHash  = preblockv1.UndecryptableReason_UNDECRYPTABLE_REASON_TX_HASH
		opened  = preblockv1.UndecryptableReason_UNDECRYPTABLE_REASON_UNSPECIFIED
	)
	random := make([]byte, 100)
	_, err := rand.Read(random)
	must(t, err)
	random[0] = 0x6f // no type of a transaction
	return []garbage{
		{"another key hash", changed(good(), func(b *te.Bundle) { b.Payload.Ciphertext.KeyHash[0] ^= 1 }), "undecryptable", "key_hash", keyHash},
		{"a transaction of another hash", changed(good(), func(b *te.Bundle) { b.Payload.Txs[0].Data[0] ^= 1 }), "undecryptable", "tx_hash", txHash},
		{"a transaction cut off", changed(good(), func(b *te.Bundle) { b.Payload.Txs[0].Data = b.Payload.Txs[0].Data[:40] }), "undecryptable", "tx_hash", txHash},
		{"no transaction", encrypted(t, by, random).Encode(), "skipped", "transaction type not supported", opened},
		{"a transaction of another chain", encrypted(t, by, signedFor(t, 1)).Encode(), "skipped", "invalid sender: invalid chain id", opened},
	}
}

func encrypted(t *testing.T, by *committee.Committee, raw []byte) *te.Bundle {
	t.Helper()
	payload, err := te.Encrypt(rand.Reader, by.Keys.Master(), raw)
	must(t, err)
	return &te.Bundle{Payload: payload}
}

func changed(b *te.Bundle, change func(*te.Bundle)) []byte {
	change(b)
	return b.Encode()
}

// signedFor is a transaction that somebody without funds signs for a chain.
func signedFor(t *testing.T, chain int64) []byte {
	t.Helper()
	key, err := crypto.GenerateKey()
	must(t, err)
	tx, err := types.SignNewTx(key, types.LatestSignerForChainID(big.NewInt(chain)), &types.DynamicFeeTx{
		ChainID: big.NewInt(chain), GasTipCap: common.Big1, GasFeeCap: big.NewInt(1e12), Gas: 21_000, To: &common.Address{},
	})
	must(t, err)
	raw, err := tx.MarshalBinary()
	must(t, err)
	return raw
}

func outcomesOf(p *preblockv1.Preblock) map[common.Hash]preblockv1.UndecryptableReason {
	reasons := map[common.Hash]preblockv1.UndecryptableReason{}
	for _, o := range p.GetOutcomes() {
		reasons[crypto.Keccak256Hash(p.GetContent().GetTransactions()[o.GetIndex()])] = o.GetUndecryptable().GetReason()
	}
	return reasons
}

func pool(t *testing.T, api *rest.Client, change string) {
	t.Helper()
	status, body, err := api.Do(t.Context(), http.MethodPost, "/v1/pool/"+change, nil, "")
	must(t, err)
	if status != http.StatusOK {
		t.Fatal(fmt.Errorf("%s the pool: status %d: %s", change, status, body))
	}
}
