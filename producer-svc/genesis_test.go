package producer

import (
	"encoding/json"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blindseq/producer-svc/devaccounts"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/fakes"
	"blindseq/producer-svc/internal/volume"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
)

// genesisWith is the file of a development genesis in which the first accounts are as given, and the others are not there.
func genesisWith(t *testing.T, funded ...types.Account) string {
	t.Helper()
	genesis, err := chain.DevGenesis()
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := devaccounts.All()
	if err != nil {
		t.Fatal(err)
	}
	for i, account := range accounts {
		delete(genesis.Alloc, account.Address)
		if i < len(funded) {
			genesis.Alloc[account.Address] = funded[i]
		}
	}
	return genesisFile(t, genesis)
}

// genesisFile writes a genesis for --genesis.
func genesisFile(t *testing.T, genesis *core.Genesis) string {
	t.Helper()
	encoded, err := json.Marshal(genesis)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "genesis.json")
	if err := os.WriteFile(path, encoded, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestADevelopmentGenesisHasToBeAskedFor: a forgotten flag must not begin a chain whose accounts anybody can spend from.
func TestADevelopmentGenesisHasToBeAskedFor(t *testing.T) {
	dev, err := chain.DevGenesis()
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := devaccounts.All()
	if err != nil {
		t.Fatal(err)
	}
	rich := dev.Alloc[accounts[0].Address]
	for name, c := range map[string]struct {
		genesis string
		dev     bool
		refused string
	}{
		"none, not asked for":                {refused: "--genesis (BLINDSEQ_GENESIS)"},
		"none, asked for":                    {dev: true},
		"funds a known account":              {genesis: genesisWith(t, rich), refused: accounts[0].Address.String()},
		"funds a known account, asked for":   {genesis: genesisWith(t, rich), dev: true},
		"funds none of the known accounts":   {genesis: genesisWith(t)},
		"names a known account with nothing": {genesis: genesisWith(t, types.Account{Balance: new(big.Int)})},
	} {
		t.Run(name, func(t *testing.T) {
			order, err := fakes.Serve()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(order.Stop)
			cfg := testConfigAt(t, "redis://127.0.0.1:1", order)
			cfg.Genesis, cfg.DevGenesis = c.genesis, c.dev
			s, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler))
			if err == nil {
				if errClose := s.Close(); errClose != nil {
					t.Fatal(errClose)
				}
			}
			if c.refused == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.refused) || !strings.Contains(err.Error(), "--dev-genesis") {
				t.Fatalf("got %v", err)
			}
			if _, err := os.Stat(cfg.DataDir); !os.IsNotExist(err) {
				t.Errorf("a refused start left %s: %v", cfg.DataDir, err)
			}
		})
	}
}

// TestDevelopmentToolsAreServedOnADevelopmentChainOnly: whoever sets the field on another chain is refused, before anything is written.
func TestDevelopmentToolsAreServedOnADevelopmentChainOnly(t *testing.T) {
	rich := types.Account{Balance: big.NewInt(1)}
	for name, c := range map[string]struct {
		genesis   string
		dev, want bool
	}{
		"the development genesis":           {dev: true, want: true},
		"one that funds a known account":    {genesis: genesisWith(t, rich), dev: true, want: true},
		"one that funds no known account":   {genesis: genesisWith(t), dev: true},
		"that, and no flag for development": {genesis: genesisWith(t)},
	} {
		t.Run(name, func(t *testing.T) {
			if is, err := IsDevelopment(c.genesis); err != nil || is != c.want {
				t.Errorf("is it one of development: %t, %v", is, err)
			}
			order, err := fakes.Serve()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(order.Stop)
			cfg := testConfigAt(t, "redis://127.0.0.1:1", order)
			cfg.Genesis, cfg.DevGenesis, cfg.Development = c.genesis, c.dev, true
			s, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler))
			if err == nil {
				err = s.Close()
			} else if _, left := os.Stat(cfg.DataDir); !os.IsNotExist(left) {
				t.Errorf("a refused start left %s: %v", cfg.DataDir, left)
			}
			if errors.Is(err, volume.ErrNotDevelopment) == c.want {
				t.Errorf("started with %v", err)
			}
		})
	}
}
