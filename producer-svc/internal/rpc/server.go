// Package rpc serves the chain's JSON-RPC over HTTP and WebSocket on one listener: geth's eth, net, web3 and txpool, its
// tracers under debug, and te_getTransactionStatus, te_getEncryptionKey, te_getNextSeq, te_getSubmitter and
// te_getOrderProof.
//
// What it guarantees: a transaction is durable before eth_sendRawTransaction answers, singly or in a batch; every input
// is bounded; nothing here can change the chain, its files or its settings.
package rpc

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"blindseq/kit/httpkit"
	"blindseq/kit/jsonrpc"
	"blindseq/producer-svc/internal/sealedpool"
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
	Address string                                                                  // where to listen
	TLS     *tls.Config                                                             // nil serves plain text
	Guard   func(method func(*http.Request) string, next http.Handler) http.Handler // decides who may ask; nil lets everybody
	Feed    http.Handler                                                            // serves what is under /evm/; nil for nothing
	Key     *EncryptionKey                                                          // nil when nothing is sealed
	// NextSeq is the seq for a submitter's next sealed transaction; nil when nothing is sealed.
	NextSeq func(submitter common.Address) uint64
	// Submitter says what a submitter may do here; nil when nothing is sealed.
	Submitter func(submitter common.Address) sealedpool.Submitter
	// OrderProof shows where a transaction was ordered, plain or sealed; nil when there are no proofs.
	OrderProof func(ctx context.Context, hash common.Hash) (any, error)
	// Steps follows transactions; nil when nobody may.
	Steps Follow
	// Check compares the signed chunks of a published blueprint with what follows from this replica's log; key is who should have
	// signed them, empty for the key that this replica has.
	Check func(chunks [][]byte, key []byte) (BlueprintCheck, error)
	// Head is the number of the last applied block; when set, answers say which blocks they may have seen.
	Head func() uint64
	// BaseFee is that of the next block, in wei; nil when nothing is sealed.
	BaseFee func() uint64
	// ReceiptHold is how long a call for the receipt of a pending transaction waits for its block; 0 for not at all.
	ReceiptHold time.Duration
	Count       func() // called for each request by HTTP; may be nil
	// More are further services, for example those of a development chain; nil for none.
	More   func(*Server) ([]gethrpc.API, error)
	Limits Limits
	Log    *slog.Logger
}

// Limits bounds what a client can ask for.
type Limits struct {
	BodyBytes     int           // of a request or a WebSocket message; default 5 MiB
	BatchItems    int           // default 1,000
	ResponseBytes int           // of a batch; default 25 MiB
	Connections   int           // default 4,096
	HeldReceipts  int           // calls for a receipt that wait at the same time; more are answered at once; default 1,024
	Computing     float64       // part of the processors that calls of one client may keep busy; default a sixteenth
	WriteTimeout  time.Duration // of one HTTP request; default 75 s
}

func (l Limits) withDefaults() Limits {
	return Limits{
		BodyBytes: cmp.Or(l.BodyBytes, 5<<20), BatchItems: cmp.Or(l.BatchItems, jsonrpc.MaxBatch), ResponseBytes: cmp.Or(l.ResponseBytes, 25<<20),
		Connections: cmp.Or(l.Connections, 4096), HeldReceipts: cmp.Or(l.HeldReceipts, 1024), Computing: cmp.Or(l.Computing, 1./16),
		WriteTimeout: cmp.Or(l.WriteTimeout, 75*time.Second),
	}
}

// Chain is what is served.
type Chain interface {
	APIs() []gethrpc.API
	Client() (*gethrpc.Client, error)
	SubscribeBlocks(ch chan<- core.ChainEvent) event.Subscription
	States
	News
}

// Transactions accepts transactions and knows their status.
type Transactions interface {
	// Submit returns a hash or an error for each; what has a hash is durable.
	Submit(ctx context.Context, raws [][]byte) ([]common.Hash, []error)
	Status(hash common.Hash) (Standing, error)
	// Resolve gives, for the id of a sealed transaction that was opened, the hash of the one inside; any other hash as it is.
	Resolve(hash common.Hash) (common.Hash, error)
}

// Standing is where a transaction stands.
type Standing struct {
	State  string // TransactionStatus has the list
	Number uint64 // of the block that decided, 0 when none did
	Reason string
	// Transaction is the one inside a sealed one that was opened.
	Transaction common.Hash
	// Barred says that the transaction is skipped wherever it is ordered, for a time: it was opened and has ended.
	Barred bool
	// BaseFee is what the content names that ordered a sealed transaction; nil while none did.
	BaseFee *uint64
}

// EncryptionKey is the answer of te_getEncryptionKey: the key to seal with, the keyholders that this trusts, and the limits.
type EncryptionKey struct {
	ChainID       hexutil.Uint64   `json:"chainId"`
	Key           hexutil.Bytes    `json:"key"` // 32 bytes, a point of ristretto255
	KeyID         hexutil.Bytes    `json:"keyId"`
	Threshold     int              `json:"threshold"`
	Quorum        int              `json:"quorum"`
	Members       []common.Address `json:"members"`
	CommitteeHash common.Hash      `json:"committeeHash"`
	FirstNumber   hexutil.Uint64   `json:"firstNumber"`
	// Lifetime is for how many numbers after the head an expiry may be; SealedGas the gas of one content's sealed transactions.
	Lifetime  hexutil.Uint64 `json:"lifetime"`
	SealedGas hexutil.Uint64 `json:"sealedGas"`
	// Relays are the submitters whose transactions are barred when they were opened and ended, as if their own sender had sealed
	// them.
	Relays []common.Address `json:"relays"`
	// BaseFee is that of the next block, in wei: a sealed transaction with a lower fee waits.
	BaseFee hexutil.Uint64 `json:"baseFeePerGas"`
	// Head is the number of the last applied block.
	Head hexutil.Uint64 `json:"head"`
}

// EncryptionKeyOf is the answer for a committee, without head and base fee; nil for none.
func EncryptionKeyOf(c *committee.Committee) *EncryptionKey {
	if c == nil {
		return nil
	}
	key, id := c.Keys.Point(), c.Keys.ID()
	return &EncryptionKey{
		ChainID: hexutil.Uint64(c.ChainID), Key: key[:], KeyID: id[:], Threshold: c.Keys.Threshold(), Quorum: c.Quorum(),
		Members: c.Members(), CommitteeHash: c.Hash(), FirstNumber: hexutil.Uint64(c.First),
		Lifetime: hexutil.Uint64(c.Limits.Lifetime), SealedGas: hexutil.Uint64(c.Limits.SealedGas),
		Relays: append([]common.Address{}, c.Roles.Relays...),
	}
}

// Server is a JSON-RPC server that listens.
type Server struct {
	cfg      Config
	rpc      *gethrpc.Server
	client   *gethrpc.Client
	receipts *receipts
	eth      *ethService
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
	s := &Server{
		cfg: cfg, rpc: gethrpc.NewServer(), client: client, receipts: newReceipts(chain, cfg.Limits.HeldReceipts), bulk: &bulk{txs: txs, items: cfg.Limits.BatchItems},
	}
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
	geth, err := receiptsOf(services)
	if err != nil {
		return err
	}
	computing, known := newComputing(s.cfg.Limits.Computing), states{chain}
	state, err := newStateService(services, known)
	if err != nil {
		return err
	}
	debug, err := newDebugService(services, computing, known)
	if err != nil {
		return err
	}
	computed, err := newComputedService(services, computing, known)
	if err != nil {
		return err
	}
	polling, err := filtersOf(services)
	if err != nil {
		return err
	}
	s.eth = &ethService{txs: txs, client: s.client, geth: geth, logs: polling, head: s.cfg.Head, computing: computing, receipts: s.receipts, hold: s.cfg.ReceiptHold}
	subscribed := newSubscribers(polling)
	filters, err := newPolledFilters(services, subscribed, chain, s.eth)
	if err != nil {
		return err
	}
	services = append(services,
		gethrpc.API{Namespace: "eth", Service: s.eth},
		gethrpc.API{Namespace: "eth", Service: computed},
		gethrpc.API{Namespace: "eth", Service: filters},
		gethrpc.API{Namespace: "te", Service: &stepsService{follow: s.cfg.Steps, count: subscribed}},
		gethrpc.API{Namespace: "te", Service: &teService{txs: txs, Config: s.cfg, eth: s.eth}},
		gethrpc.API{Namespace: "eth", Service: state},
		gethrpc.API{Namespace: "debug", Service: debug},
	)
	if s.cfg.More != nil {
		more, err := s.cfg.More(s)
		if err != nil {
			return err
		}
		services = append(services, more...)
	}
	for _, one := range services {
		if err := s.rpc.RegisterName(one.Namespace, one.Service); err != nil {
			return fmt.Errorf("register %s services: %w", one.Namespace, err)
		}
	}
	return nil
}

// Client calls geth's services within the process.
func (s *Server) Client() *gethrpc.Client { return s.client }

// AwaitReceipt waits until a transaction is in a block, at most as long as a call for a receipt is held.
func (s *Server) AwaitReceipt(ctx context.Context, hash common.Hash) {
	_, _ = s.eth.awaitReceipt(ctx, hash, s.cfg.ReceiptHold) // whoever waits for the receipt asks for it again
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends, then gives running requests a second and ends all connections.
func (s *Server) Run(ctx context.Context) error {
	limits := s.cfg.Limits
	server := &http.Server{
		Handler:           s.guarded(),
		TLSConfig:         s.cfg.TLS,
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
	s.receipts.close()
	s.client.Close()
}
