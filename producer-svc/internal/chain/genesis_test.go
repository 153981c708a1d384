package chain_test

import (
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blindseq/producer-svc/devaccounts"
	"blindseq/producer-svc/internal/chain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

func TestTheDevGenesisFundsTheDevAccounts(t *testing.T) {
	c := open(t, t.TempDir())
	equal(t, "chain id", c.ChainID(), chain.DevChainID)
	accounts, err := devaccounts.All()
	must(t, err)
	want := new(big.Int).Mul(big.NewInt(chain.DevAccountEther), big.NewInt(params.Ether))
	client := client(t, c)
	for _, account := range accounts {
		var balance string
		must(t, client.Call(&balance, "eth_getBalance", account.Address, "latest"))
		equal(t, "balance", common.HexToHash(balance).Big().String(), want.String())
	}
}

func TestAGenesisFileMakesTheChain(t *testing.T) {
	genesis, err := chain.DevGenesis()
	must(t, err)
	genesis.Config.ChainID = big.NewInt(4242)
	genesis.Coinbase = nobody
	path := writeGenesis(t, genesis)
	read, err := chain.ReadGenesis(path)
	must(t, err)
	dir := t.TempDir()
	c := open(t, dir, withGenesis(read))
	equal(t, "chain id", c.ChainID(), 4242)
	result := apply(t, c, next(c))
	var block struct{ Miner common.Address }
	must(t, client(t, c).Call(&block, "eth_getBlockByHash", result.Hash, false))
	equal(t, "fee recipient", block.Miner, nobody)

	must(t, c.Close())
	_, err = chain.Open(chain.Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "genesis") {
		t.Fatalf("opened with another genesis: %v", err)
	}
}

func TestAGenesisThatCannotWorkIsRefused(t *testing.T) {
	cases := []struct {
		name string
		edit func(*core.Genesis)
		want string
	}{
		{"chain id", func(g *core.Genesis) { g.Config.ChainID = nil }, "chainId"},
		{"before the merge", func(g *core.Genesis) { g.Config.TerminalTotalDifficulty = nil }, "terminalTotalDifficulty"},
		{"difficulty", func(g *core.Genesis) { g.Difficulty = big.NewInt(1) }, "difficulty"},
		{"london", func(g *core.Genesis) { g.Config.LondonBlock = big.NewInt(7) }, "londonBlock"},
		{"gas limit", func(g *core.Genesis) { g.GasLimit = 10 }, "gasLimit"},
		{"fork order", func(g *core.Genesis) { later := uint64(5); g.Config.CancunTime = &later }, "unsupported fork ordering"},
		{"fork left out", func(g *core.Genesis) { g.Config.CancunTime = nil }, "pragueTime needs"},
		{"future fork", func(g *core.Genesis) { g.Config.AmsterdamTime = new(uint64) }, "after Osaka"},
		{"system contract", func(g *core.Genesis) { g.Alloc[params.WithdrawalQueueAddress] = types.Account{Balance: new(big.Int)} }, "system contract"},
	}
	for _, one := range cases {
		t.Run(one.name, func(t *testing.T) {
			genesis, err := chain.DevGenesis()
			must(t, err)
			one.edit(genesis)
			err = chain.CheckGenesis(genesis)
			wantError(t, err, chain.ErrGenesis)
			if !strings.Contains(err.Error(), one.want) {
				t.Errorf("%q does not say %q", err, one.want)
			}
		})
	}
	for name, content := range map[string]string{"not JSON": "{", "empty": "{}", "wrong type": `{"gasLimit":[]}`} {
		path := filepath.Join(t.TempDir(), "genesis.json")
		must(t, os.WriteFile(path, []byte(content), 0o600))
		if _, err := chain.ReadGenesis(path); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	_, err := chain.ReadGenesis(filepath.Join(t.TempDir(), "missing"))
	wantError(t, err, os.ErrNotExist)
}

func TestStatesOfTheLast128BlocksAreReadable(t *testing.T) {
	c := open(t, t.TempDir())
	w := wallets(t)
	const blocks = 160
	for range blocks {
		apply(t, c, next(c, w[0].transfer(t, nobody, 1)))
	}
	client := client(t, c)
	for _, number := range []uint64{blocks, blocks - 60, blocks - 127} {
		var balance string
		must(t, client.Call(&balance, "eth_getBalance", nobody, hex(number)))
		equal(t, "balance", common.HexToHash(balance).Big().Uint64(), number)
	}
}

// FuzzDecode: whatever is taken for a transaction has the hash of its bytes. Transactions are looked up in the pool by
// that hash before they are decoded.
func FuzzDecode(f *testing.F) {
	w := wallets(f)
	f.Add(w[0].transfer(f, nobody, 1))
	f.Add(w[1].sign(f, &types.LegacyTx{To: &nobody, Gas: 21000, GasPrice: big.NewInt(1)}))
	f.Add([]byte{0x7e, 0xc0})
	c := open(f, f.TempDir())
	f.Fuzz(func(t *testing.T, raw []byte) {
		txs, errs := c.Decode([][]byte{raw})
		if (txs[0] == nil) == (errs[0] == nil) {
			t.Fatalf("transaction %v, error %v", txs[0], errs[0])
		}
		if txs[0] != nil && txs[0].Hash() != chain.HashTransaction(raw) {
			t.Fatalf("hash %s, of the bytes %s", txs[0].Hash(), chain.HashTransaction(raw))
		}
	})
}

func writeGenesis(t *testing.T, genesis *core.Genesis) string {
	t.Helper()
	raw, err := json.Marshal(genesis)
	must(t, err)
	path := filepath.Join(t.TempDir(), "genesis.json")
	must(t, os.WriteFile(path, raw, 0o600))
	return path
}
