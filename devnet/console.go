package devnet

import (
	"context"
	"fmt"
	"io"
	"time"

	"blindseq/kit/retry"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"google.golang.org/grpc"
)

// console prints what the developer sees: a banner when everything is ready, then a line for each block. It knows only
// what the public API says.
type console struct {
	cfg Config
	// tools says that the chain serves what development tools expect.
	tools bool
	urls  urls
	api   gatewayv1.GatewayServiceClient
	out   io.Writer
}

// urls are the public addresses of the devnet.
type urls struct{ rest, rpc, bundler string }

func newConsole(d *devnet, gateway *grpc.ClientConn, out io.Writer) *console {
	return &console{cfg: d.cfg, tools: d.development, urls: d.urls, api: gatewayv1.NewGatewayServiceClient(gateway), out: out}
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
	banner, err := c.banner(status.GetChainId(), status.GetHead().GetNumber())
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
