package chain_test

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"log/slog"
	"math/big"
	"testing"

	"blindseq/producer-svc/devaccounts"
	"blindseq/producer-svc/internal/chain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"
)

var (
	chainID = big.NewInt(chain.DevChainID)
	signer  = types.NewPragueSigner(chainID)
	nobody  = common.HexToAddress("0x000000000000000000000000000000000000beef")
	ctx     = context.Background()
)

const plenty = 500_000 // bytes of a proposal

// wallet signs with a nonce of its own.
type wallet struct {
	key     *ecdsa.PrivateKey
	address common.Address
	nonce   uint64
}

func newWallet(key *ecdsa.PrivateKey) *wallet {
	return &wallet{key: key, address: crypto.PubkeyToAddress(key.PublicKey)}
}

func wallets(t testing.TB) []*wallet {
	t.Helper()
	accounts, err := devaccounts.All()
	must(t, err)
	var all []*wallet
	for _, account := range accounts {
		all = append(all, newWallet(account.Key))
	}
	return all
}

func (w *wallet) sign(t testing.TB, data types.TxData) []byte {
	t.Helper()
	tx, err := types.SignNewTx(w.key, signer, data)
	must(t, err)
	raw, err := tx.MarshalBinary()
	must(t, err)
	w.nonce++
	return raw
}

func (w *wallet) transfer(t testing.TB, to common.Address, wei int64) []byte {
	t.Helper()
	return w.call(t, &to, params.TxGas, big.NewInt(wei), nil)
}

func (w *wallet) call(t testing.TB, to *common.Address, gas uint64, value *big.Int, data []byte) []byte {
	t.Helper()
	return w.sign(t, &types.DynamicFeeTx{
		ChainID: chainID, Nonce: w.nonce, To: to, Gas: gas, Value: value, Data: data,
		GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(100 * params.GWei),
	})
}

func open(t testing.TB, dir string, options ...func(*chain.Config)) *chain.Chain {
	t.Helper()
	cfg := chain.Config{Dir: dir, Log: slog.New(slog.DiscardHandler)}
	for _, option := range options {
		option(&cfg)
	}
	c, err := chain.Open(cfg)
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

func withGenesis(genesis *core.Genesis) func(*chain.Config) {
	return func(cfg *chain.Config) { cfg.Genesis = genesis }
}

// next is the block after c's head, in the second after it.
func next(c *chain.Chain, txs ...[]byte) chain.Block {
	number, hash, timestamp := c.Head()
	return chain.Block{Number: number + 1, ParentHash: hash, Timestamp: timestamp + 1, Transactions: txs}
}

func apply(t testing.TB, c *chain.Chain, b chain.Block) chain.Result {
	t.Helper()
	result, err := c.Apply(ctx, b)
	must(t, err)
	return result
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func hex(n uint64) string { return fmt.Sprintf("0x%x", n) }

func uint256Of(n uint64) *uint256.Int { return uint256.NewInt(n) }

func client(t testing.TB, c *chain.Chain) *rpc.Client {
	t.Helper()
	client, err := c.Client()
	must(t, err)
	t.Cleanup(client.Close)
	return client
}
