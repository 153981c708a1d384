package suites

import (
	"encoding/xml"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// web3pyChain is the chain id that web3.py's tests sign for.
const web3pyChain = 131277322940537

// How many seconds a block takes. Some of the tests want to find their transaction without a block: blindseq can be told to make none
// meanwhile, geth cannot.
const (
	blockPeriod     = 2
	gethBlockPeriod = 4
)

// TestWeb3PyModules runs the tests that web3.py ships for nodes (web3._utils.module_testing) against both doors and geth.
func TestWeb3PyModules(t *testing.T) {
	wants(t, "web3py")
	python := venv(t, "web3py")
	genesis := writeGenesis(t, chainOf(t, web3pyChain))
	nodes := []string{"plain", "sealed", "geth"}
	results := make(map[string]map[string]result, len(nodes))
	var mu sync.Mutex
	t.Cleanup(func() { table(t, "web3.py module tests", nodes, results) })
	for _, name := range nodes {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they mostly wait for blocks
			got := map[string]result{}
			t.Run("files", func(t *testing.T) {
				for _, file := range []string{"test_http.py", "test_http_async.py", "test_websocket.py", "test_subscriptions.py", "test_admin.py"} {
					t.Run(file, func(t *testing.T) {
						t.Parallel()
						some := pytest(t, python, file, web3pyNode(t, name, genesis))
						mu.Lock()
						defer mu.Unlock()
						maps.Copy(got, some)
					})
				}
			})
			mu.Lock()
			results[name] = got
			mu.Unlock()
			checkListed(t, got, "web3py-"+name+".txt")
		})
	}
}

// web3pyNode is a node with a new chain: what the tests of one file leave on it would fail those of another.
func web3pyNode(t *testing.T, name, genesis string) node {
	t.Helper()
	if name == "geth" {
		return startGeth(t, genesis, "--dev.period", strconv.Itoa(gethBlockPeriod))
	}
	plain, sealed := startDevnet(t, genesis)
	client := dial(t, plain)
	for method, param := range map[string]any{"evm_setAutomine": false, "evm_setIntervalMining": blockPeriod * 1_000} {
		if err := client.CallContext(t.Context(), nil, method, param); err != nil {
			t.Fatal(err)
		}
	}
	if name == "sealed" {
		return sealed
	}
	return plain
}

// venv installs what a suite's requirements.txt names, once, and returns the virtual environment's Python.
func venv(t *testing.T, suite string) string {
	t.Helper()
	wanted, err := os.ReadFile(filepath.Join(suite, "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, suite)
	python, mark := filepath.Join(dir, "bin", "python"), filepath.Join(dir, "requirements.txt")
	if has, err := os.ReadFile(mark); err == nil && string(has) == string(wanted) {
		return python
	}
	do(t, exec.CommandContext(t.Context(), "python3", "-m", "venv", "--clear", dir))
	do(t, exec.CommandContext(t.Context(), python, "-m", "pip", "install", "--quiet", "--requirement", filepath.Join(suite, "requirements.txt")))
	if err := os.WriteFile(mark, wanted, 0o600); err != nil {
		t.Fatal(err)
	}
	return python
}

// pytest runs a file of tests of the folder web3py against a node.
func pytest(t *testing.T, python, file string, n node) map[string]result {
	t.Helper()
	report := filepath.Join(t.TempDir(), "report.xml")
	cmd := exec.CommandContext(t.Context(), python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", "--junitxml", report, file)
	cmd.Dir = "web3py"
	cmd.Env = append(cmd.Environ(), "RPC_URL="+n.rpc, "WS_URL="+n.ws, "ACCOUNT_KEY="+firstAccount(t).HexKey(), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() > 1) { // 1: tests have failed
		t.Fatalf("pytest: %v\n%s", err, out)
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	return readReport(t, text)
}

// readReport reads the XML report of pytest. A test's name is file.Class.test[parameters].
func readReport(t *testing.T, text []byte) map[string]result {
	t.Helper()
	type outcome struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	var report struct {
		Cases []struct {
			Class   string   `xml:"classname,attr"`
			Name    string   `xml:"name,attr"`
			Failure *outcome `xml:"failure"`
			Error   *outcome `xml:"error"`
			Skipped *outcome `xml:"skipped"`
		} `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	results := map[string]result{}
	for _, c := range report.Cases {
		var r result
		switch {
		case c.Failure != nil:
			r = result{failed: true, text: c.Failure.Message}
		case c.Error != nil:
			r = result{failed: true, text: c.Error.Message + c.Error.Text}
		case c.Skipped != nil:
			r = result{skipped: true}
		}
		if len(r.text) > 600 {
			r.text = r.text[:600]
		}
		results[strings.ReplaceAll(c.Class+"."+c.Name, " ", "_")] = r
	}
	return results
}
