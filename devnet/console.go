package devnet

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"blindseq/kit/retry"
	"blindseq/producer-svc/devaccounts"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"google.golang.org/grpc"
)

// console prints what the developer sees: a banner when everything is ready, then a line for each block. It knows only
// what the public API says.
type console struct {
	cfg  Config
	urls urls
	api  gatewayv1.GatewayServiceClient
	out  io.Writer
}

// urls are the public addresses of the devnet.
type urls struct{ rest, rpc, bundler string }

func newConsole(cfg Config, gateway *grpc.ClientConn, at urls, out io.Writer) *console {
	return &console{cfg: cfg, urls: at, api: gatewayv1.NewGatewayServiceClient(gateway), out: out}
}

// run prints until ctx ends.
func (c *console) run(ctx context.Context) error {
	status, err := c.ready(ctx)
	if err != nil {
		return err
	}
	if status == nil {
		return nil
	}
	banner, err := c.banner(status)
	if err != nil {
		return err
	}
	fmt.Fprint(c.out, banner)
	next := status.GetHead().GetNumber() + 1
	for ctx.Err() == nil {
		next = c.follow(ctx, next)
		if retry.Sleep(ctx, time.Second) != nil {
			break
		}
	}
	return nil
}

// ready waits until the whole pipeline answers. It polls, because only a call from outside shows that. It returns neither a
// status nor an error when ctx has ended.
func (c *console) ready(ctx context.Context) (*gatewayv1.GetStatusResponse, error) {
	deadline := time.Now().Add(readyTimeout)
	for ctx.Err() == nil {
		status, err := c.api.GetStatus(ctx, &gatewayv1.GetStatusRequest{})
		if err == nil && status.GetHead() != nil && status.GetDsn().GetConnected() && status.GetQueue() != nil {
			return status, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("wait for the services: not ready after %s (last status: %v): %w", readyTimeout, status, err)
		}
		if retry.Sleep(ctx, 50*time.Millisecond) != nil {
			break
		}
	}
	return nil, nil
}

// follow prints blocks until the stream breaks, and returns the next number to print.
func (c *console) follow(ctx context.Context, next uint64) uint64 {
	stream, err := c.api.StreamBlueprints(ctx, &gatewayv1.StreamBlueprintsRequest{From: next})
	if err != nil {
		return next
	}
	for {
		item, err := stream.Recv()
		if err != nil {
			return next
		}
		b := item.GetBlueprint()
		fmt.Fprintln(c.out, blockLine(b))
		next = b.GetNumber() + 1
	}
}

func blockLine(b *gatewayv1.Blueprint) string {
	line := fmt.Sprintf("%s  block %-6d %s  %s", b.GetTimestamp().AsTime().Local().Format(time.TimeOnly), b.GetNumber(),
		b.GetBlockHash(), count(len(b.GetTransactionHashes()), "transaction"))
	if n := len(b.GetDelayedTransactionHashes()); n > 0 {
		line += fmt.Sprintf(", %d delayed", n)
	}
	if n := len(b.GetSkipped()); n > 0 {
		line += fmt.Sprintf(", %d skipped (%s)", n, b.GetSkipped()[0].GetReason())
	}
	return line
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (c *console) banner(s *gatewayv1.GetStatusResponse) (string, error) {
	accounts, err := devaccounts.All()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nblindseq devnet, chain id %d, at block %d. Data is in %s; stop with Ctrl-C.\n\n", s.GetChainId(), s.GetHead().GetNumber(), c.cfg.DataDir)
	fmt.Fprintf(&b, "  JSON-RPC   http://%s   ws://%s/ws\n", c.urls.rpc, c.urls.rpc)
	fmt.Fprintf(&b, "  Page       http://%s\n  REST       http://%s   (OpenAPI: /openapi.json)\n\n", c.urls.rest, c.urls.rest)
	if c.urls.bundler != "" {
		fmt.Fprintf(&b, "Sealed transactions: set a wallet's RPC URL to http://%s, which seals what the wallet sends,\nor seal a transaction yourself: make build, then bin/dsn-node seal --help (committee file: %s)\n\n",
			c.urls.bundler, filepath.Join(c.cfg.DataDir, "keys", "committee.json"))
	}
	if c.cfg.Genesis == "" {
		fmt.Fprintf(&b, "Accounts with 10,000 ETH each. For development only: their keys are public.\nMnemonic: %s\n\n", devaccounts.Mnemonic)
		for i, a := range accounts {
			fmt.Fprintf(&b, "  (%d) %s  key %s\n", i, a.Address.Hex(), a.HexKey())
		}
		fmt.Fprintln(&b)
	}
	fmt.Fprintf(&b, "Produce a block:\n\n  curl -X POST http://%s/v1/produce_block\n\n", c.urls.rest)
	return b.String(), nil
}
