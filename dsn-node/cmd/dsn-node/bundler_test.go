package main

import (
	"bytes"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"blindseq/dsn-node/bundler/rolluptest"
	"blindseq/dsn-node/offline/keygen"
	"blindseq/kit/testaddr"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// ask posts to an address until something is there.
func ask(t *testing.T, address, body string) string {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		res, err := http.Post("http://"+address, "application/json", strings.NewReader(body))
		if err == nil {
			defer res.Body.Close() // only read
			b, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal(err)
		}
	}
}

func TestKilledBundlerSendsWhatItAcknowledgedAgain(t *testing.T) {
	files, err := keygen.Run(keygen.Config{Out: filepath.Join(t.TempDir(), "keys"), Keyholders: 4, ChainID: 1337, FirstNumber: 1})
	if err != nil {
		t.Fatal(err)
	}
	by, err := committee.Read(files.Committee)
	if err != nil {
		t.Fatal(err)
	}
	rollup, address := rolluptest.New(t, by.Ring()), testaddr.Next(t)
	p := &process{args: []string{
		"bundler", "--rpc-address", address, "--grpc-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0", "--rollup-rpc", rollup.URL, "--observer-rpc", rollup.Observer,
		"--committee-file", files.Committee, "--identity-file", files.Bundler, "--data-dir", filepath.Join(t.TempDir(), "data"),
	}}
	p.start(t)
	t.Cleanup(p.kill)
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	tx, err := types.SignNewTx(key, types.LatestSignerForChainID(big.NewInt(1337)), &types.LegacyTx{Gas: 21000, GasPrice: big.NewInt(1), To: &common.Address{1}})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	answer := ask(t, address, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x%x"]}`, raw))
	if !strings.Contains(answer, tx.Hash().Hex()) {
		t.Fatal(answer)
	}
	p.kill()
	rollup.Away(true)
	p.start(t)
	if a := ask(t, address, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_getTransactionByHash","params":["%s"]}`, tx.Hash())); strings.Contains(a, "result") {
		t.Fatalf("answered for a rollup that is away: %s", a)
	}
	before := len(rollup.Sealed(t, 1))
	rollup.Forget()
	rollup.Away(false)
	sealed := rollup.Sealed(t, before+1)
	if !bytes.Equal(sealed[0], sealed[before]) {
		t.Fatal("it was sealed anew")
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.command.Wait(); err != nil {
		t.Fatalf("stop: %v\n%s", err, p.output.String())
	}
	p.command = nil
	if strings.Contains(p.output.String(), fmt.Sprintf("%x", raw)[:40]) {
		t.Fatal("the plain transaction is in the log")
	}
}
