// Package cluster runs the real programs, each as a process of its own with its own data directory and ports, against
// a real redis-server, and lets a test kill, stop and restart them.
//
// It guarantees: when the process that uses it ends, for whatever reason, all of them end; a process keeps its ports
// and data over a restart. Redis persists nothing, so that killing it loses all it held.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"blindseq/kit/config"
	"blindseq/kit/grpckit"

	"github.com/ethereum/go-ethereum/ethclient"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
)

// Names of the processes, which are those of the programs, in the order in which they need each other.
const (
	Redis    = "redis-server"
	DSN      = "dsn-node"
	Monitor  = "monitor-svc"
	Proposer = "proposer-svc"
	Producer = "producer-svc"
	Gateway  = "api-gw"
)

// Services are the programs of this repository, in the order in which they need each other.
func Services() []string { return []string{DSN, Monitor, Proposer, Producer, Gateway} }

// readyTimeout is for a whole cluster to become ready, replay included, on a busy machine.
const readyTimeout = 60 * time.Second

// Options of a cluster.
type Options struct {
	Bin  string              // directory of the programs
	Dir  string              // for data and logs; must exist
	Args map[string][]string // further arguments, by process
	OTLP string              // where to send traces; none when empty

	Replicas []Replica // producers besides the first
}

// Cluster is a running system.
type Cluster struct {
	RPC, WS string // JSON-RPC of the gateway
	REST    string // of the gateway
	Private string // JSON-RPC of the gateway's private route
	Direct  string // JSON-RPC of the producer itself
	DSNHTTP string // upstream protocol of the DSN

	dir   string
	o     Options
	ports map[string]ports
	procs map[string]*Process
	conns map[string]*grpc.ClientConn
}

// Start starts everything and returns when everything is ready. A cluster that does not become ready is closed; its
// logs stay in o.Dir.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	c := &Cluster{dir: o.Dir, o: o, ports: map[string]ports{}, procs: map[string]*Process{}, conns: map[string]*grpc.ClientConn{}}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	if err := c.StartAll(ctx); err != nil {
		c.Tails(os.Stderr)
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) prepare() error {
	free := allocator{}
	for _, name := range append([]string{Redis}, c.names()...) {
		p, err := free.ports()
		if err != nil {
			return err
		}
		c.ports[name] = p
		if err := os.MkdirAll(filepath.Join(c.dir, name), 0o700); err != nil {
			return fmt.Errorf("prepare %s: %w", name, err)
		}
	}
	gateway, producer := c.ports[Gateway], c.ports[Producer]
	c.RPC, c.WS = "http://"+gateway.rpc, "ws://"+gateway.rpc+"/ws"
	c.Private = c.RPC + "/private"
	c.REST = "http://" + gateway.rest
	c.Direct = "http://" + producer.rpc
	c.DSNHTTP = "http://" + c.ports[DSN].rpc

	c.procs[Redis] = c.process(Redis, Redis, c.redisArgs(), c.redisReady)
	for _, name := range c.names() {
		c.procs[name] = c.process(name, filepath.Join(c.o.Bin, c.program(name)), c.args(name), httpReady(c.ports[name].http))
		conn, err := grpckit.Dial(c.ports[name].grpc, config.TLS{})
		if err != nil {
			return fmt.Errorf("dial %s: %w", name, err)
		}
		c.conns[name] = conn
	}
	return nil
}

func (c *Cluster) process(name, path string, args []string, ready func(context.Context) error) *Process {
	return &Process{
		Name: name, path: path, args: args, ready: ready,
		dir: filepath.Join(c.dir, name), log: filepath.Join(c.dir, name+".log"),
	}
}

// StartAll starts what does not run, and waits until all is ready.
func (c *Cluster) StartAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	whole := ctx
	wait, ctx := errgroup.WithContext(ctx)
	for _, name := range append([]string{Redis}, Services()...) {
		p := c.procs[name]
		if err := p.Start(); err != nil {
			return err
		}
		wait.Go(func() error { return p.AwaitReady(ctx) })
	}
	if err := wait.Wait(); err != nil || len(c.o.Replicas) == 0 {
		return err
	}
	return c.startReplicas(whole)
}

// Process is the process of one name.
func (c *Cluster) Process(name string) *Process { return c.procs[name] }

// Conn is a gRPC connection to a service; it connects again after restarts.
func (c *Cluster) Conn(name string) *grpc.ClientConn { return c.conns[name] }

// GRPC and Ops are the addresses (host:port) of a service's gRPC, and of its health, metrics and profiles.
func (c *Cluster) GRPC(name string) string { return c.ports[name].grpc }
func (c *Cluster) Ops(name string) string  { return c.ports[name].http }

// RPCOf is the JSON-RPC of one producer.
func (c *Cluster) RPCOf(name string) string { return "http://" + c.ports[name].rpc }

// DataDir is where a service keeps its data.
func (c *Cluster) DataDir(name string) string { return filepath.Join(c.dir, name, "data") }

// Eth returns a client of the gateway's JSON-RPC.
func (c *Cluster) Eth(ctx context.Context) (*ethclient.Client, error) {
	return ethclient.DialContext(ctx, c.RPC)
}

// StopAll asks every process to end, the gateway first, and reports those that did not end cleanly.
func (c *Cluster) StopAll() error {
	var failed error
	names := c.names()
	for i := range names {
		failed = errors.Join(failed, c.procs[names[len(names)-1-i]].Stop())
	}
	return failed
}

// KillAll ends all processes with SIGKILL, Redis too.
func (c *Cluster) KillAll() error {
	var failed error
	for _, p := range c.procs {
		failed = errors.Join(failed, p.Kill())
	}
	return failed
}

// Close kills what still runs.
func (c *Cluster) Close() error {
	failed := c.KillAll()
	for _, conn := range c.conns {
		failed = errors.Join(failed, conn.Close())
	}
	return failed
}

// Tails writes the end of every process's output.
func (c *Cluster) Tails(w io.Writer) {
	for _, name := range append([]string{Redis}, c.names()...) {
		fmt.Fprintf(w, "=== %s (end of output)\n%s\n", name, c.procs[name].Tail(6000))
	}
}

func httpReady(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("not ready: %s (%w)", body, err)
		}
		return err
	}
}

// redisReady speaks Redis itself: a client library would log each try.
func (c *Cluster) redisReady(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.ports[Redis].rpc)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer := make([]byte, 7)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "+PONG\r\n" {
		return fmt.Errorf("answer to PING: %q (%w)", answer, err)
	}
	return nil
}
