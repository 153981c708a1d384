package devnet

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"blindseq/kit/config"
	"blindseq/producer-svc/devaccounts"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

// running is a devnet that has printed its banner.
type running struct {
	rpc   string
	lines chan string
	stop  func() error
}

var rpcURL = regexp.MustCompile(`JSON-RPC +(http://\S+)`)

func start(t *testing.T, dir string) *running {
	t.Helper()
	var cfg Config
	if err := config.Defaults(&cfg); err != nil {
		t.Fatal(err)
	}
	cfg.DataDir, cfg.RESTAddress, cfg.RPCAddress, cfg.TimeBetweenBlocks = dir, "127.0.0.1:0", "127.0.0.1:0", "none"
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := Run(ctx, cfg, in, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
		in.CloseWithError(io.EOF)
		done <- err
	}()
	r := &running{lines: make(chan string, 1000), stop: func() error { cancel(); return <-done }}
	go func() {
		defer close(r.lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			r.lines <- scan.Text()
		}
	}()
	r.rpc = rpcURL.FindStringSubmatch(r.line(t, "JSON-RPC"))[1]
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

func TestASecondRunGoesOnWithTheChain(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	client, err := ethclient.Dial(first.rpc)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accounts, err := devaccounts.All()
	if err != nil {
		t.Fatal(err)
	}
	to := accounts[1].Address
	tx, err := types.SignNewTx(accounts[0].Key, types.LatestSignerForChainID(big.NewInt(1337)), &types.DynamicFeeTx{
		ChainID: big.NewInt(1337), To: &to, Value: big.NewInt(1), Gas: 21000, GasFeeCap: big.NewInt(1e10), GasTipCap: big.NewInt(1),
	})
	if err != nil {
		t.Fatal(err)
	}
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

	second := start(t, dir)
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
