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
	"blindseq/seal"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
)

// garbage is a sealed transaction with something wrong in it that shows only after it was opened.
type garbage struct {
	name   string
	sealed *seal.Sealed
	reason string // of te_getTransactionStatus begins with it
	kept   preblockv1.UnopenableReason
}

func TestGarbageInsideEndsWithItsReasonAndTheNextTransactionsRun(t *testing.T) {
	t.Parallel()
	began := time.Now()
	args := onDemand() // and strangers without funds are let in
	args[cluster.Producer] = append(args[cluster.Producer], "--seal-min-balance", "0")
	c := start(t, cluster.Options{Keyholders: 4, Threshold: 3, Args: args})
	client, accounts := wallet(t, c)
	by := committeeOf(t, c)
	api := rest.New(c.REST, 2)
	t.Cleanup(api.Close)
	refusedAtOnce(t, client, by)
	all := hiddenGarbage(t, by)
	pool(t, api, "lock") // so that all are in one preblock
	for _, g := range all {
		sendSealed(t, client, g.sealed)
	}
	inner, err := accounts[0].Transfer(accounts[0].Address)
	must(t, err)
	good, err := load.NewSealer(by, accounts[0], 0).Seal(inner)
	must(t, err)
	sendSealed(t, client, good)
	plain, err := accounts[1].Transfer(accounts[1].Address)
	must(t, err)
	must(t, client.SendTransaction(t.Context(), plain))
	pool(t, api, "unlock")
	number := receipt(t, client, inner.Hash()).BlockNumber
	if r := receipt(t, client, plain.Hash()); r.BlockNumber.Cmp(number) != 0 {
		t.Errorf("the plain transaction is in block %s, the sealed one in %s", r.BlockNumber, number)
	}
	outcomes := outcomesOf(t, preblock(t, c, number.Uint64()))
	for _, g := range all {
		id := common.Hash(g.sealed.ID())
		s := statusOf(t, client, id)
		t.Logf("%s: %s in block %d: %s", g.name, s.Status, s.BlockNumber, s.Reason)
		if s.Status != "ended" || !strings.HasPrefix(s.Reason, g.reason) || uint64(s.BlockNumber) != number.Uint64() {
			t.Errorf("%s: %+v, want ended in block %s: %s", g.name, s, number, g.reason)
		}
		if got, ok := outcomes[id]; !ok || got != g.kept {
			t.Errorf("%s: the preblock says %s (%v), want %s", g.name, got, ok, g.kept)
		}
		orderProof(t, client, by, id)
	}
	t.Logf("%d pieces of garbage and two good transactions in preblock %s; %s", len(all), number, time.Since(began).Round(time.Millisecond))
}

// refusedAtOnce sends what shows to be garbage before it is opened.
func refusedAtOnce(t *testing.T, client *ethclient.Client, by *committee.Committee) {
	good := func() []byte {
		s, err := stranger(t, by).SealRaw(signedFor(t, 1337))
		must(t, err)
		return s.Encode()
	}
	whole := good()
	copied := good()
	copied[len(copied)-100] ^= 1 // a byte of the payload
	resigned := good()
	resigned[len(resigned)-10] ^= 1
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"cut off":                    {whole[:len(whole)-9], "encoding"},
		"nothing but a type":         {[]byte{seal.Type}, "encoding"},
		"a copy with another byte":   {copied, "proof"},
		"a signature that is not it": {resigned, "signature"},
	} {
		err := client.Client().CallContext(t.Context(), nil, "eth_sendRawTransaction", hexutil.Bytes(c.raw))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: answered with %v, want %q", name, err, c.want)
		}
		if s, err := seal.Parse(c.raw); err == nil {
			if status := statusOf(t, client, common.Hash(s.ID())); status.Status != "unknown" {
				t.Errorf("%s: refused and %s", name, status.Status)
			}
		}
	}
}

func hiddenGarbage(t *testing.T, by *committee.Committee) []garbage {
	t.Helper()
	unopenable := func(kind error) *seal.Sealed {
		s, err := stranger(t, by).Garbage(kind)
		must(t, err)
		return s
	}
	holding := func(raw []byte) *seal.Sealed {
		s, err := stranger(t, by).SealRaw(raw)
		must(t, err)
		return s
	}
	random := make([]byte, 100)
	_, err := rand.Read(random)
	must(t, err)
	random[0] = 0x6f // no type of a transaction
	nested := holding(signedFor(t, 1337))
	const opened = preblockv1.UnopenableReason_UNOPENABLE_REASON_UNSPECIFIED
	return []garbage{
		{"a payload that does not decrypt", unopenable(seal.ErrPayload), "unopenable: payload", preblockv1.UnopenableReason_UNOPENABLE_REASON_PAYLOAD},
		{"a padding that is none", unopenable(seal.ErrPadding), "unopenable: padding", preblockv1.UnopenableReason_UNOPENABLE_REASON_PADDING},
		{"a seed that gives other bytes", unopenable(seal.ErrSeed), "unopenable: seed", preblockv1.UnopenableReason_UNOPENABLE_REASON_SEED},
		{"no transaction", holding(random), "", opened},
		{"a transaction of another chain", holding(signedFor(t, 1)), "", opened},
		{"a sealed transaction", holding(nested.Encode()), "", opened},
		{"a transaction without funds", holding(signedFor(t, 1337)), "insufficient funds", opened},
	}
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

// outcomesOf are the reasons of a preblock's sealed transactions by their ids; unspecified for one that was opened.
func outcomesOf(t *testing.T, p *preblockv1.Preblock) map[common.Hash]preblockv1.UnopenableReason {
	t.Helper()
	reasons := map[common.Hash]preblockv1.UnopenableReason{}
	for _, o := range p.GetOutcomes() {
		s, err := seal.Parse(p.GetContent().GetTransactions()[o.GetIndex()])
		must(t, err)
		reasons[common.Hash(s.ID())] = o.GetUnopenable().GetReason()
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
