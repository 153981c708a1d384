package e2e

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// streams are open to every service, and opened again when they end.
type streams struct {
	now    map[string]*atomic.Int32 // streams that have delivered something, by service
	cancel context.CancelFunc
	all    sync.WaitGroup
}

// receiver takes the next message of a stream.
type receiver func() error

func openStreams(t *testing.T, c *cluster.Cluster) *streams {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &streams{now: map[string]*atomic.Int32{}, cancel: cancel}
	for _, name := range c.Names() {
		s.now[name] = new(atomic.Int32)
		s.keep(ctx, name, func(ctx context.Context) (receiver, error) {
			return receive(healthv1.NewHealthClient(c.Conn(name)).Watch(ctx, &healthv1.HealthCheckRequest{}))
		})
	}
	s.keep(ctx, cluster.DSN, func(ctx context.Context) (receiver, error) {
		return receive(dsnv1.NewSequencerServiceClient(c.Conn(cluster.DSN)).StreamPreblocks(ctx, &dsnv1.StreamPreblocksRequest{FromNumber: 1}))
	})
	s.keep(ctx, cluster.Monitor, func(ctx context.Context) (receiver, error) {
		return receive(preblockv1.NewMonitorServiceClient(c.Conn(cluster.Monitor)).StreamPreblocks(ctx, &preblockv1.StreamPreblocksRequest{FromNumber: 1}))
	})
	s.keep(ctx, cluster.Producer, func(ctx context.Context) (receiver, error) {
		return receive(blueprintv1.NewProducerServiceClient(c.Conn(cluster.Producer)).StreamBlueprints(ctx, &blueprintv1.StreamBlueprintsRequest{FromNumber: 1}))
	})
	s.keep(ctx, cluster.Gateway, func(ctx context.Context) (receiver, error) {
		return receive(gatewayv1.NewGatewayServiceClient(c.Conn(cluster.Gateway)).StreamBlueprints(ctx, &gatewayv1.StreamBlueprintsRequest{From: 1}))
	})
	s.keep(ctx, cluster.Gateway, func(ctx context.Context) (receiver, error) { return newHeads(ctx, c.WS) })
	t.Cleanup(s.end)
	return s
}

func receive[M any](s grpc.ServerStreamingClient[M], err error) (receiver, error) {
	return func() error {
		_, err := s.Recv()
		return err
	}, err
}

// newHeads subscribes to heads over a WebSocket.
func newHeads(ctx context.Context, url string) (receiver, error) {
	client, err := ethclient.DialContext(ctx, url)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, client.Close)
	heads := make(chan *types.Header, 16)
	sub, err := client.SubscribeNewHead(ctx, heads)
	if err != nil {
		return nil, err
	}
	return func() error {
		select {
		case <-heads:
			return nil
		case err := <-sub.Err():
			return errors.Join(errEnded, err)
		}
	}, nil
}

var errEnded = errors.New("the subscription ended")

// keep keeps a stream open until ctx ends.
func (s *streams) keep(ctx context.Context, name string, open func(context.Context) (receiver, error)) {
	s.all.Go(func() {
		for ctx.Err() == nil {
			s.follow(ctx, name, open)
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
}

func (s *streams) follow(ctx context.Context, name string, open func(context.Context) (receiver, error)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next, err := open(ctx)
	if err != nil || next() != nil {
		return
	}
	s.now[name].Add(1)
	defer s.now[name].Add(-1)
	for next() == nil {
	}
}

// open is how many streams to a service are open.
func (s *streams) open(name string) int32 { return s.now[name].Load() }

// end closes all streams.
func (s *streams) end() { s.cancel(); s.all.Wait() }
