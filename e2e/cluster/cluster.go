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
	"slices"
	"time"

	"blindseq/dsn-node/offline/keygen"
	"blindseq/e2e/failpoint"
	"blindseq/e2e/network"
	"blindseq/kit/certs/certstest"
	"blindseq/kit/grpckit"
	"blindseq/kit/testaddr"

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
	Bundler  = "bundler"   // of program dsn-node
	Bundler2 = "bundler-2" // of program dsn-node: another one behind the same address
	Observer = "observer"  // of program producer-svc: the bundler's own
)

// Services are the services that every system has, in the order in which they need each other.
func Services() []string { return []string{DSN, Monitor, Proposer, Producer, Gateway} }

// readyTimeout is for a whole cluster to become ready, replay included, on a busy machine.
const readyTimeout = 60 * time.Second

// Options of a cluster.
type Options struct {
	Bin   string              // directory of the programs
	Dir   string              // for data and logs; must exist
	Args  map[string][]string // further arguments, by process
	OTLP  string              // where to send traces; none when empty
	Procs int                 // GOMAXPROCS of each process; when zero that of this one's environment, or the machine's
	Only  []string            // run these alone, and the keyholders; everything when empty

	RedisURL string           // a Redis of the caller's; when empty one is run
	Network  *network.Network // to carry what the processes say to each other; direct connections when nil

	Keyholders int    // how many there are, with keys of a dealer; none: nothing is sealed
	Threshold  int    // how many of them open a sealed transaction
	ChainID    uint64 // that they attest for, and whose name the deployment has; the development chain's when zero
	SealedGas  uint64 // of all sealed transactions of a blueprint; keygen's default when zero
	Bundler    bool   // seals for plain wallets, with an observer of its own; needs keyholders
	Bundlers   int    // how many there are with Bundler, 1 or 2, with one observer; 1 when zero
	Fronts     map[string]Front

	// Failpoints says that the programs are those of failpoint.Build.
	Failpoints bool

	Replicas  []Replica // producers besides the first
	Proposers []string  // names of proposers besides the first, which is the one that others call

	TLS *certstest.Authority // signs a certificate of every process; plain text when nil
}

// Cluster is a running system.
type Cluster struct {
	RPC, WS string // JSON-RPC of the gateway
	REST    string // of the gateway
	Private string // JSON-RPC of the gateway's private route
	Direct  string // JSON-RPC of the producer itself
	DSNHTTP string // the origin's protocol of the DSN
	Wallets string // JSON-RPC of the bundler, empty without one
	Others  string // JSON-RPC of the second bundler, empty without one

	Keys *keygen.Files // of the keyholders and the bundler; nil without keyholders

	dir       string
	o         Options
	names     []string // of the processes, in the order in which they need each other
	ports     map[string]ports
	shown     map[string]string    // the address that others get instead of the real one
	links     map[[2]string]string // the address that one process gets for another instead of the real one
	elsewhere string               // the host that producers advertise when there is a network
	procs     map[string]*Process
	conns     map[string]*grpc.ClientConn
}

// Start starts everything and returns when everything is ready. A cluster that does not become ready is closed; its
// logs stay in o.Dir.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	c := &Cluster{
		dir: o.Dir, o: o, names: o.names(), ports: map[string]ports{}, shown: map[string]string{},
		procs: map[string]*Process{}, conns: map[string]*grpc.ClientConn{},
	}
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	if err := c.StartAll(ctx); err != nil {
		c.Tails(os.Stderr)
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) prepare(ctx context.Context) error {
	free := testaddr.New()
	for _, name := range c.o.possible() { // all, because those that run get the addresses of the others
		p, err := nextPorts(free)
		if err != nil {
			return err
		}
		c.ports[name] = p
	}
	for _, name := range c.names {
		if err := os.MkdirAll(filepath.Join(c.dir, name), 0o700); err != nil {
			return fmt.Errorf("prepare %s: %w", name, err)
		}
	}
	if err := c.makeKeys(ctx); err != nil {
		return err
	}
	if err := c.putFronts(); err != nil {
		return err
	}
	if err := c.join(ctx, free); err != nil {
		return err
	}
	c.addresses()
	operator, err := c.certify(free)
	if err != nil {
		return err
	}
	for _, name := range c.names {
		if name == Redis {
			c.procs[name] = c.process(name, name, c.redisArgs(), c.redisReady)
			continue
		}
		c.procs[name] = c.process(name, filepath.Join(c.o.Bin, c.program(name)), c.args(name), httpReady(c.ports[name].http))
		conn, err := grpckit.Dial(c.ports[name].grpc, operator)
		if err != nil {
			return fmt.Errorf("dial %s: %w", name, err)
		}
		c.conns[name] = conn
	}
	return nil
}

func (c *Cluster) addresses() {
	gateway, producer := c.ports[Gateway], c.ports[Producer]
	c.RPC, c.WS = "http://"+gateway.rpc, "ws://"+gateway.rpc+"/ws"
	c.Private = c.RPC + "/private"
	c.REST = "http://" + gateway.rest
	c.Direct = "http://" + producer.rpc
	c.DSNHTTP = "http://" + c.ports[DSN].rpc
	if c.o.Bundler {
		c.Wallets = "http://" + c.ports[Bundler].rpc
	}
	if c.o.Bundlers > 1 {
		c.Others = "http://" + c.ports[Bundler2].rpc
	}
}

func (c *Cluster) process(name, path string, args []string, ready func(context.Context) error) *Process {
	p := &Process{
		Name: name, path: path, args: args, ready: ready,
		dir: filepath.Join(c.dir, name), log: filepath.Join(c.dir, name+".log"),
	}
	if c.o.Failpoints {
		p.env = failpoint.Serve(c.ports[name].steps)
	}
	if c.o.Procs > 0 {
		p.env = append(p.env, fmt.Sprintf("GOMAXPROCS=%d", c.o.Procs))
	}
	return p
}

// Failpoints arms the steps of a process, when Options.Failpoints is set.
func (c *Cluster) Failpoints(name string) failpoint.Client {
	return failpoint.Client{URL: "http://" + c.ports[name].steps}
}

// StartAll starts what does not run, and waits until all is ready.
func (c *Cluster) StartAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	first, then := c.names, c.o.replicas()
	first = slices.DeleteFunc(slices.Clone(first), func(name string) bool { return slices.Contains(then, name) })
	if err := c.start(ctx, first); err != nil {
		return err
	}
	return c.start(ctx, then) // the first producer leads, and has made the key
}

func (c *Cluster) start(ctx context.Context, names []string) error {
	wait, ctx := errgroup.WithContext(ctx)
	for _, name := range names {
		p := c.procs[name]
		if err := p.Start(); err != nil {
			return err
		}
		wait.Go(func() error { return p.AwaitReady(ctx) })
	}
	return wait.Wait()
}

// Names are those of all processes but Redis, in the order in which they need each other.
func (c *Cluster) Names() []string {
	return slices.DeleteFunc(slices.Clone(c.names), func(name string) bool { return name == Redis })
}

// Process is the process of one name.
func (c *Cluster) Process(name string) *Process { return c.procs[name] }

// Processes are the names of all, in the order in which they need each other.
func (c *Cluster) Processes() []string { return slices.Clone(c.names) }

// Conn is a gRPC connection to a service; it connects again after restarts.
func (c *Cluster) Conn(name string) *grpc.ClientConn { return c.conns[name] }

// GRPC and Ops are the addresses (host:port) of a service's gRPC, and of its health, metrics and profiles.
func (c *Cluster) GRPC(name string) string { return c.ports[name].grpc }
func (c *Cluster) Ops(name string) string  { return c.ports[name].http }

// RedisURL is that of the Redis server.
func (c *Cluster) RedisURL() string {
	if c.o.RedisURL != "" {
		return c.o.RedisURL
	}
	return "redis://" + c.ports[Redis].rpc + "/0"
}

// Dir holds all data and logs.
func (c *Cluster) Dir() string { return c.dir }

// RPCOf is the JSON-RPC of one producer.
func (c *Cluster) RPCOf(name string) string { return "http://" + c.ports[name].rpc }

// DataDir is where a service keeps its data.
func (c *Cluster) DataDir(name string) string { return filepath.Join(c.dir, name, "data") }

// Eth returns a client of the gateway's JSON-RPC.
func (c *Cluster) Eth(ctx context.Context) (*ethclient.Client, error) {
	return ethclient.DialContext(ctx, c.RPC)
}

// StopAll asks every service to end, those that wallets speak to first, and reports those that did not end cleanly.
func (c *Cluster) StopAll() error {
	var failed error
	for _, name := range slices.Backward(c.names) {
		if name != Redis {
			failed = errors.Join(failed, c.procs[name].Stop())
		}
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

// Tails writes whether each process runs and the end of its output.
func (c *Cluster) Tails(w io.Writer) {
	for _, name := range c.names {
		fmt.Fprintf(w, "=== %s (%s; end of output)\n%s\n", name, c.procs[name].status(), c.procs[name].Tail(6000))
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
