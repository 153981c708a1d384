package devnet

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"blindseq/dsn-node/offline/inspect"
	"blindseq/dsn-node/offline/keygen"
	"blindseq/kit/config"
	"blindseq/producer-svc/devaccounts"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

// running is a devnet that has printed its banner.
type running struct {
	dir                string
	rpc, rest, bundler string

	lines chan string
	stop  func() error
}

var anyURL = regexp.MustCompile(`http://[0-9.:]+`)

func run(t *testing.T, dir, timeBetweenBlocks string) *running {
	t.Helper()
	var cfg Config
	if err := config.Defaults(&cfg); err != nil {
		t.Fatal(err)
	}
	cfg.DataDir, cfg.RESTAddress, cfg.RPCAddress, cfg.BundlerAddress = dir, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.TimeBetweenBlocks = timeBetweenBlocks
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := Run(ctx, cfg, in, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
		in.CloseWithError(io.EOF)
		done <- err
	}()
	r := &running{dir: dir, lines: make(chan string, 1000), stop: func() error { cancel(); return <-done }}
	go func() {
		defer close(r.lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			r.lines <- scan.Text()
		}
	}()
	r.rpc = anyURL.FindString(r.line(t, "JSON-RPC"))
	r.rest = anyURL.FindString(r.line(t, "REST"))
	r.bundler = anyURL.FindString(r.line(t, "Sealed"))
	r.line(t, "/v1/produce_block")
	return r
}

// line waits for a line of output that contains a text.
func (r *running) line(t *testing.T, text string) string {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				t.Fatalf("the devnet ended without saying %q", text)
			}
			if strings.Contains(line, text) {
				return line
			}
		case <-timeout:
			t.Fatalf("the devnet did not say %q", text)
		}
	}
}

func TestASecondRunContinuesTheChain(t *testing.T) {
	dir := t.TempDir()
	first := run(t, dir, "none")
	client, err := ethclient.Dial(first.rpc)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	tx := transfer(t)
	if err := client.SendTransaction(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	produce(t, first)
	receipt, err := bind.WaitMined(t.Context(), client, tx.Hash())
	if err != nil || receipt.Status != types.ReceiptStatusSuccessful {
		t.Fatalf("receipt %+v, %v", receipt, err)
	}
	first.line(t, "1 transaction")
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}

	second := run(t, dir, "none")
	again, err := ethclient.Dial(second.rpc)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got, err := again.TransactionReceipt(t.Context(), tx.Hash()); err != nil || got.BlockHash != receipt.BlockHash {
		t.Fatalf("after a restart: %+v, %v", got, err)
	}
	if err := second.stop(); err != nil {
		t.Fatal(err)
	}
}

// produce makes a block by the private produceBlock, as time_between_blocks=none leaves it to whoever asks.
func produce(t *testing.T, r *running) {
	t.Helper()
	res, err := http.Post(r.rpc+"/private", "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"produceBlock"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(body), `"result":"0x1"`) {
		t.Fatalf("produceBlock: %s, %v", body, err)
	}
}

// transfer is the first transaction of the first account.
func transfer(t *testing.T) *types.Transaction {
	t.Helper()
	accounts, err := devaccounts.All()
	if err != nil {
		t.Fatal(err)
	}
	to := accounts[1].Address
	tx, err := types.SignNewTx(accounts[0].Key, types.LatestSignerForChainID(big.NewInt(devChainID)), &types.DynamicFeeTx{
		ChainID: big.NewInt(devChainID), To: &to, Value: big.NewInt(1), Gas: 21000, GasFeeCap: big.NewInt(1e10), GasTipCap: big.NewInt(1),
	})
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// inspect verifies what was fetched with nothing but the committee's file.
func (r *running) inspect(t *testing.T, object []byte) string {
	t.Helper()
	var out bytes.Buffer
	cfg := inspect.Config{Kind: inspect.KindAuto}
	cfg.CommitteeFile = keygen.Layout(filepath.Join(r.dir, "keys"), 4).Committee
	if err := inspect.Run(cfg, bytes.NewReader(object), &out); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	return out.String()
}

func TestAPlainWalletSendsASealedTransaction(t *testing.T) {
	d := run(t, t.TempDir(), "10s")
	client, err := ethclient.Dial(d.bundler)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	tx := transfer(t)
	if err := client.SendTransaction(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	receipt, err := bind.WaitMined(ctx, client, tx.Hash())
	if err != nil || receipt.Status != types.ReceiptStatusSuccessful {
		t.Fatalf("receipt %+v, %v", receipt, err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(d.rest + "/v1/preblocks/" + receipt.BlockNumber.String())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	ordered, opened, _ := strings.Cut(string(body), `"outcomes":`)
	if !strings.Contains(ordered, `"transactions":["0x5e`) || strings.Contains(ordered, hex.EncodeToString(raw)) || !strings.Contains(opened, tx.Hash().Hex()) {
		t.Errorf("what was ordered is not the sealed transaction alone, or what it was opened to is not there: %s", body)
	}
	shown := d.inspect(t, body)
	if !strings.Contains(shown, "opened to "+tx.Hash().Hex()) || !strings.Contains(shown, "attested by        authority") {
		t.Errorf("the preblock of REST is shown as\n%s", shown)
	}
	var proof json.RawMessage
	if err := client.Client().CallContext(t.Context(), &proof, "te_getOrderProof", tx.Hash()); err != nil {
		t.Fatal(err)
	}
	if shown := d.inspect(t, proof); !strings.Contains(shown, "position           0 of 1 transactions") || !strings.Contains(shown, " VALID\n") {
		t.Errorf("the order proof is shown as\n%s", shown)
	}
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
}
