package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/ethclient"
)

// readSeconds is how long each read is measured, and how often: the better of the tries counts.
const (
	readSeconds = 3
	readTries   = 2
)

var errNoRate = errors.New("wrk printed no rate, or answers that are no success")

// theReads are calls as wallets and dapps make them most.
func theReads() [][2]string {
	return [][2]string{
		{"eth_blockNumber", `[]`},
		{"eth_getBalance", `["0x70997970C51812dc3A010C7d01b50e0d17dc79C8","latest"]`},
		{"eth_getBalance", `["0x70997970C51812dc3A010C7d01b50e0d17dcCOUNT","latest"]`},
		{"eth_call", `[{"to":"0x0000000000000000000000000000000000000004","data":"0x01020304"},"latest"]`},
		{"eth_getBlockByNumber", `["latest",false]`},
	}
}

// reads compares what the gateway answers a second with what `geth --dev` does by itself, with wrk and 16 connections.
func (b *run) reads(ctx context.Context) error {
	if b.Geth == "" {
		return nil
	}
	url, stop, err := b.startGeth(ctx)
	if err != nil {
		return fmt.Errorf("compare reads with geth: %w", err)
	}
	defer stop()
	fmt.Fprintf(b.out, "\nReads a second with 16 connections (wrk), through the gateway and of `geth --dev` asked directly:\n")
	for _, call := range theReads() {
		ours, theirs := 0.0, 0.0
		for range readTries {
			direct, err := b.rate(ctx, url, call)
			if err != nil {
				return err
			}
			through, err := b.rate(ctx, b.c.RPC, call)
			if err != nil {
				return err
			}
			ours, theirs = max(ours, through), max(theirs, direct)
		}
		name := call[0]
		if strings.Contains(call[1], "COUNT") {
			name += ", different"
		}
		fmt.Fprintf(b.out, "  %-25s %7.0f  geth %7.0f  ratio %.2f   (wanted: 0.75 or more)\n", name, ours, theirs, ours/theirs)
	}
	return nil
}

// startGeth runs a geth of its own until stop.
func (b *run) startGeth(ctx context.Context) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, b.Geth, "--dev", "--http", "--http.port", port, "--datadir", filepath.Join(b.Dir, "geth"), "--ipcdisable", "--verbosity", "1")
	if err := cmd.Start(); err != nil {
		cancel()
		return "", nil, err
	}
	stop = func() { cancel(); _ = cmd.Wait() } // killed
	url = "http://127.0.0.1:" + port
	for range 100 {
		client, err := ethclient.DialContext(ctx, url)
		if err == nil {
			_, err = client.BlockNumber(ctx)
			client.Close()
		}
		if err == nil {
			return url, stop, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	return "", nil, errors.New("geth does not answer")
}

var perSecond = regexp.MustCompile(`Requests/sec: +([0-9.]+)`)

// rate has wrk ask one call again and again. COUNT in its parameters is another number each time.
func (b *run) rate(ctx context.Context, url string, call [2]string) (float64, error) {
	script := filepath.Join(b.Dir, "read.lua")
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, call[0], call[1])
	text := "wrk.method = \"POST\"\nwrk.headers[\"Content-Type\"] = \"application/json\"\nwrk.body = [[" + body + "]]\n"
	if before, after, counts := strings.Cut(body, "COUNT"); counts {
		text += "n = 0\nrequest = function() n = n + 1; return wrk.format(nil, nil, nil, [[" + before + "]] .. string.format('%04x', n % 65536) .. [[" + after + "]]) end\n"
	}
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, "wrk", "-t1", "-c16", fmt.Sprintf("-d%ds", readSeconds), "-s", script, url+"/").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("run wrk: %w: %s", err, out)
	}
	found := perSecond.FindSubmatch(out)
	if found == nil || strings.Contains(string(out), "Non-2xx") {
		return 0, fmt.Errorf("%w: %s", errNoRate, out)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}
