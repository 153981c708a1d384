package suites

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// chainID is that of make run.
const chainID = 1337

// dapp installs what the folder dapp needs, and returns a command that runs one of its programs there.
func dapp(t *testing.T, n node, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join("node_modules", ".bin", name), args...)
	cmd.Dir = "dapp"
	cmd.Env = append(cmd.Environ(), "RPC_URL="+n.rpc, "HARDHAT_DISABLE_TELEMETRY_PROMPT=true")
	return cmd
}

func install(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund")
	cmd.Dir = "dapp"
	do(t, cmd)
}

// TestHardhatSuites runs suites of OpenZeppelin's ERC20 and Governor, and of what hardhat asks of a node, against both doors. Nothing
// may fail.
func TestHardhatSuites(t *testing.T) {
	wants(t, "hardhat")
	install(t)
	plain, sealed := startDevnet(t, writeGenesis(t, chainOf(t, chainID)))
	for _, n := range []node{plain, sealed} {
		t.Run(n.name, func(t *testing.T) {
			if err := os.RemoveAll(filepath.Join("dapp", "ignition", "deployments")); err != nil {
				t.Fatal(err)
			}
			out, err := dapp(t, n, "hardhat", "test").CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}

// TestForgeScriptBroadcasts runs a script whose 25 transactions forge sends without waiting for receipts, against both doors.
func TestForgeScriptBroadcasts(t *testing.T) {
	wants(t, "foundry")
	install(t)
	plain, sealed := startDevnet(t, writeGenesis(t, chainOf(t, chainID)))
	for _, n := range []node{plain, sealed} {
		t.Run(n.name, func(t *testing.T) {
			if err := os.RemoveAll(filepath.Join("dapp", "broadcast")); err != nil {
				t.Fatal(err)
			}
			do(t, dapp(t, n, "forge", "script", "script/Deploy.s.sol", "--rpc-url", n.rpc, "--broadcast", "--private-key", firstAccount(t).HexKey()))
			text, err := os.ReadFile(filepath.Join("dapp", "broadcast", "Deploy.s.sol", "1337", "run-latest.json"))
			if err != nil {
				t.Fatal(err)
			}
			var run struct {
				Transactions []json.RawMessage
				Receipts     []struct{ Status hexutil.Uint64 }
			}
			if err := json.Unmarshal(text, &run); err != nil {
				t.Fatal(err)
			}
			if len(run.Transactions) != 25 || len(run.Receipts) != 25 {
				t.Errorf("%d transactions, %d receipts; want 25 of each", len(run.Transactions), len(run.Receipts))
			}
			for i, receipt := range run.Receipts {
				if receipt.Status != 1 {
					t.Errorf("transaction %d failed", i)
				}
			}
		})
	}
}

// TestLibrariesWaitForReceipts runs each way of the wallet libraries to wait 100 times, against both doors. It prints how long they took.
func TestLibrariesWaitForReceipts(t *testing.T) {
	wants(t, "waits")
	plain, sealed := startDevnet(t, writeGenesis(t, chainOf(t, chainID)))
	for _, n := range []node{plain, sealed} {
		t.Run(n.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "node", "waits.mjs")
			cmd.Dir = filepath.Join("..", "wallets")
			cmd.Env = append(cmd.Environ(), "BLINDSEQ_E2E_RPC="+n.rpc, "COUNT=100")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}
