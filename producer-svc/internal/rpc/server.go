// Package rpc serves the chain's JSON-RPC over HTTP and WebSocket on one listener: geth's eth, net, web3 and txpool, its
// tracers under debug, te_getTransactionStatus, te_getEncryptionKey and te_getOrderProof.
//
// What it guarantees: a transaction is durable before eth_sendRawTransaction answers, singly or in a batch; every input
// is bounded; nothing here can change the chain, its files or its settings.
package rpc

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"blindseq/kit/httpkit"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/event"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
	"golang.org/x/net/netutil"
)

// Config has the server's settings. Zero limits take the defaults.
type Config struct {
	Address string         // where to listen
	Feed    http.Handler   // serves what is under /evm/; nil for nothing
	Key     *EncryptionKey // nil when nothing is encrypted
	// OrderProof shows where a transaction or bundle was ordered; nil when there are no proofs.
	OrderProof func(ctx context.Context, hash common.Hash) (any, error)
	// Head is the number of the last applied block; when set, answers say which blocks they may have seen.
	Head   func() uint64
	Count  func() // called for each request by HTTP; may be nil
	Limits Limits
	Log    *slog.Logger
}

// Limits bounds what a client can ask for.
type Limits struct {
	BodyBytes     int           // of a request or a WebSocket message; default 5 MiB
	BatchItems    int           // default 1,000
	ResponseBytes int           // of a batch; default 25 MiB
	Connections   int           // default 4,096
	WriteTimeout  time.Duration // of one HTTP request; default 75 s
}

func (l Limits) withDefaults() Limits {
	return Limits{
		BodyBytes: cmp.Or(l.BodyBytes, 5<<20), BatchItems: cmp.Or(l.BatchItems, 1000), ResponseBytes: cmp.Or(l.ResponseBytes, 25<<20),
		Connections: cmp.Or(l.Connections, 4096), WriteTimeout: cmp.Or(l.WriteTimeout, 75*time.Second),
	}
}

// Chain is what is served.
type Chain interface {
	APIs() []gethrpc.API
	Client() (*gethrpc.Client, error)
	SubscribeBlocks(ch chan<- core.ChainEvent) event.Subscription
}

// Transactions accepts transactions and knows their status.
type Transactions interface {
	// Submit returns a hash or an error for each; what has a hash is durable.
	Submit(ctx context.Context, raws [][]byte) ([]common.Hash, []error)
	Status(hash common.Hash) (Standing, error)
	// Resolve gives, for the hash of a bundle that was decrypted, that of the transaction in it; any other as it is.
	Resolve(hash common.Hash) (common.Hash, error)
}

// Standing is where a transaction or bundle stands.
type Standing struct {
	State  string // TransactionStatus has the list
	Number uint64 // of the block that decided, 0 when none did
	Reason string
	// Bundle, when set, waits and is said to hold the transaction. Nothing else is known about the transaction: the state is
	// the bundle's, and whether it holds it is known when it is opened.
	Bundle common.Hash
}

// EncryptionKey is the answer of te_getEncryptionKey: the key to encrypt with, and the keyholders that this trusts.
type EncryptionKey struct {
	ChainID       hexutil.Uint64   `json:"chainId"`
	MasterKey     hexutil.Bytes    `json:"masterKey"` // G1, compressed
	Threshold     int              `json:"threshold"`
	Quorum        int              `json:"quorum"`
	Members       []common.Address `json:"members"`
	CommitteeHash common.Hash      `json:"committeeHash"`
	FirstNumber   hexutil.Uint64   `json:"firstNumber"`
}

// EncryptionKeyOf is the answer for a committee; nil for none.
func EncryptionKeyOf(c *committee.Committee) *EncryptionKey {
	if c == nil {
		return nil
	}
	master := c.Keys.Master().Bytes()
	return &EncryptionKey{
		ChainID: hexutil.Uint64(c.ChainID), MasterKey: master[:], Threshold: c.Keys.Threshold(), Quorum: c.Quorum(),
		Members: c.Members.Members(), CommitteeHash: c.Hash(), FirstNumber: hexutil.Uint64(c.First),
	}
}

// Server is a JSON-RPC server that listens.
type Server struct {
	cfg      Config
	rpc      *gethrpc.Server
	client   *gethrpc.Client
	listener net.Listener
	bulk     *bulk
}

// NewServer listens, so that Addr is known; Run serves.
func NewServer(cfg Config, chain Chain, txs Transactions) (*Server, error) {
	cfg.Limits = cfg.Limits.withDefaults()
	client, err := chain.Client()
	if err != nil {
		return nil, fmt.Errorf("start JSON-RPC: %w", err)
	}
	s := &Server{cfg: cfg, rpc: gethrpc.NewServer(), client: client, bulk: &bulk{txs: txs, items: cfg.Limits.BatchItems}}
	s.rpc.SetBatchLimits(cfg.Limits.BatchItems, cfg.Limits.ResponseBytes)
	s.rpc.SetHTTPBodyLimit(cfg.Limits.BodyBytes)
	s.rpc.SetWebsocketReadLimit(int64(cfg.Limits.BodyBytes))
	if err := s.register(chain, txs); err != nil {
		s.close()
		return nil, fmt.Errorf("start JSON-RPC: %w", err)
	}
	if s.listener, err = net.Listen("tcp", cfg.Address); err != nil {
		s.close()
		return nil, fmt.Errorf("start JSON-RPC: %w", err)
	}
	return s, nil
}

// register puts geth's services first: ours of the same namespace replace methods of the same name.
func (s *Server) register(chain Chain, txs Transactions) error {
	services := append([]gethrpc.API(nil), chain.APIs()...)
	services = append(services,
		gethrpc.API{Namespace: "eth", Service: &ethService{chain: chain, txs: txs, client: s.client}},
		gethrpc.API{Namespace: "te", Service: &teService{txs: txs, key: s.cfg.Key, proof: s.cfg.OrderProof}},
		gethrpc.API{Namespace: "debug", Service: notServed{}},
	)
	for _, one := range services {
		if err := s.rpc.RegisterName(one.Namespace, one.Service); err != nil {
			return fmt.Errorf("register %s services: %w", one.Namespace, err)
		}
	}
	return nil
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends, then gives running requests a second and ends all connections.
func (s *Server) Run(ctx context.Context) error {
	limits := s.cfg.Limits
	server := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      limits.WriteTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	defer s.close()
	listener := netutil.LimitListener(s.listener, limits.Connections)
	return httpkit.Serve(ctx, "JSON-RPC", server, listener, httpkit.Grace{Drain: time.Second})
}

// Close frees the port of a server that never ran. After Run it does nothing.
func (s *Server) Close() error {
	s.close()
	return httpkit.Close(s.listener)
}

func (s *Server) close() {
	s.rpc.Stop() // closes WebSocket connections, which the HTTP server no longer knows
	s.client.Close()
}
