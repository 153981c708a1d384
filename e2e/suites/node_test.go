package suites

import (
	"bytes"
	"context"
	"encoding/json"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"blindseq/kit/testaddr"
	"blindseq/producer-svc/devaccounts"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
)

// node is a door for tools: an address of JSON-RPC and one of WebSocket.
type node struct {
	name    string
	rpc, ws string
}

// chainOf is the genesis of a development chain with its accounts, under an id of its own.
func chainOf(t *testing.T, id int64) *core.Genesis {
	t.Helper()
	genesis := core.DeveloperGenesisBlock(200_000_000, nil)
	config := *genesis.Config
	config.ChainID, config.BogotaTime = big.NewInt(id), nil
	genesis.Config, genesis.BaseFee = &config, big.NewInt(params.GWei)
	accounts, err := devaccounts.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, account := range accounts {
		genesis.Alloc[account.Address] = types.Account{Balance: new(big.Int).Mul(big.NewInt(10_000), big.NewInt(params.Ether))}
	}
	return genesis
}

func writeGenesis(t *testing.T, genesis *core.Genesis) string {
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

// firstAccount is the key of the account that all suites send from.
func firstAccount(t *testing.T) devaccounts.Account {
	t.Helper()
	accounts, err := devaccounts.All()
	if err != nil {
		t.Fatal(err)
	}
	return accounts[0]
}

// startDevnet runs blindseq as make run does, and returns its two doors: plain and sealed.
func startDevnet(t *testing.T, genesis string, args ...string) (plain, sealed node) {
	t.Helper()
	space := testaddr.New()
	next := func() string {
		address, err := space.Next()
		if err != nil {
			t.Fatal(err)
		}
		return address
	}
	rest, rpc, bundler := next(), next(), next()
	start(t, devnet, append([]string{
		"--data-dir", filepath.Join(t.TempDir(), "data"), "--genesis", genesis,
		"--rest-address", rest, "--rpc-address", rpc, "--bundler-address", bundler,
	}, args...)...)
	plain = node{"plain", "http://" + rpc, "ws://" + rpc + "/ws"}
	sealed = node{"sealed", "http://" + bundler, "ws://" + bundler}
	await(t, plain)
	await(t, sealed)
	return plain, sealed
}

// startGeth runs geth --dev on a chain of the same genesis, with the first account as its own.
func startGeth(t *testing.T, genesis string, args ...string) node {
	t.Helper()
	dir := t.TempDir()
	data, password, key := filepath.Join(dir, "data"), filepath.Join(dir, "password"), filepath.Join(dir, "key")
	for path, text := range map[string]string{password: "", key: strings.TrimPrefix(firstAccount(t).HexKey(), "0x")} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	do(t, exec.CommandContext(t.Context(), geth, "--datadir", data, "init", genesis))
	do(t, exec.CommandContext(t.Context(), geth, "--datadir", data, "account", "import", "--lightkdf", "--password", password, key))
	return serveGeth(t, data, append([]string{"--dev", "--password", password}, args...)...)
}

func serveGeth(t *testing.T, data string, args ...string) node {
	t.Helper()
	rpc, ws := testaddr.Next(t), testaddr.Next(t)
	host := func(address string) (string, string) {
		h, p, _ := strings.Cut(address, ":")
		return h, p
	}
	rpcHost, rpcPort := host(rpc)
	wsHost, wsPort := host(ws)
	const apis = "eth,net,web3,debug,txpool,admin"
	start(t, geth, append([]string{
		"--datadir", data, "--ipcdisable", "--nodiscover", "--maxpeers", "0", "--authrpc.port", "0",
		"--http", "--http.addr", rpcHost, "--http.port", rpcPort, "--http.api", apis,
		"--ws", "--ws.addr", wsHost, "--ws.port", wsPort, "--ws.api", apis,
	}, args...)...)
	n := node{"geth", "http://" + rpc, "ws://" + ws}
	await(t, n)
	return n
}

// start runs a program until the test ends. What it prints is shown when the test has failed.
func start(t *testing.T, path string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(15*time.Second, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		_ = cmd.Wait()
		if text := out.Bytes(); t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(path), text[max(0, len(text)-4_000):])
		}
	})
}

// await returns when a node answers.
func await(t *testing.T, n node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		client, err := ethclient.DialContext(ctx, n.rpc)
		if err == nil {
			_, err = client.BlockNumber(ctx)
			client.Close()
		}
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s does not answer: %v", n.name, err)
		case <-time.After(100 * time.Millisecond): // it is another process: no event tells that it listens
		}
	}
}

// do runs a command that must succeed.
func do(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}
