// Package rpcproxy forwards Ethereum JSON-RPC, over HTTP and WebSocket, to the leading producer, and spreads reads that any
// replica may answer over all of them. It parses requests only to tell the two apart, and answers only to know what became
// of transactions sent. What it answers itself (no leader, too large, not JSON) is a JSON-RPC error with the ids of the
// requests, so that clients can match it. Only the body is forwarded: no header of the client, least of all its cookies
// and tokens.
//
// A request that cannot be served yet is held and retried (package hold). Every request may be repeated: reads change
// nothing, and a transaction is known by its hash. A transaction that an attempt delivered whose answer was lost is answered
// as accepted.
//
// The proxy reads a body in full before it forwards it. So a slow client holds no connection to the producer, a body that is
// too large is refused before anything was sent, and a dead connection is replaced without the client noticing.
package rpcproxy

import (
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"blindseq/api-gw/internal/hold"
	"blindseq/api-gw/internal/tracker"
	"blindseq/kit/certs"
	"blindseq/kit/jsonrpc"
	"blindseq/kit/roles"
	"blindseq/kit/rpchttp"

	"github.com/rs/cors"
	"golang.org/x/sync/semaphore"
)

// Why a request was not forwarded or not answered in full, the label of its counter.
const (
	NoLeader    = "no_leader"
	Unreachable = "unreachable"
	TimedOut    = "timed_out"
	NotTaken    = "not_taken" // a transaction that cannot be accepted now
	Broken      = "broken"    // an answer or a WebSocket that ended in the middle
)

// Recorder records the proxy's metrics.
type Recorder interface {
	ForwardError(kind string)
	Read(by string)
	WebSockets(change int)
}

// Config is the configuration of a proxy. All fields are required unless they say otherwise.
type Config struct {
	Leader        func() *tracker.Leader // nil without a leader
	Replicas      func() []*url.URL      // JSON-RPC of replicas that serve reads besides the leader; may be nil
	Unreachable   func()                 // called when the leader did not answer: perhaps another leads
	Origins       []string               // web origins that may call; "*" means any
	BodyLimit     int64                  // of a request's body and of a WebSocket's message
	Timeout       time.Duration          // of a request, without the time its body takes to arrive
	MaxWebSockets int64
	Hold          *hold.Line    // where requests wait that cannot be served yet; nil refuses them
	Certificates  *certs.Source // for TLS to producers; nil for plain text
	Recorder      Recorder
	Log           *slog.Logger
}

// Proxy serves JSON-RPC.
type Proxy struct {
	cfg        Config
	cors       *cors.Cors
	transport  *http.Transport // to the leader
	replicas   *http.Transport
	short      struct{ leader, replicas *short } // for joined calls
	bodies     sync.Pool                         // *bytes.Buffer
	copies     sync.Pool                         // *[]byte
	methods    map[string]int                    // that any replica may answer
	joiner     *joiner
	horizon    horizon
	turn       atomic.Uint64
	webSockets *semaphore.Weighted
}

// New returns a proxy. Close it after its last request.
func New(cfg Config) *Proxy {
	p := &Proxy{cfg: cfg, webSockets: semaphore.NewWeighted(cfg.MaxWebSockets), methods: spreadMethods(), joiner: newJoiner(cfg.Timeout)}
	p.cors = rpchttp.Pages(cfg.Origins)
	p.transport = transport(cfg.Certificates, roles.Producer)
	p.replicas = transport(cfg.Certificates, roles.Producer, roles.Observer)
	p.short.leader = newShort(cfg.Certificates, roles.Producer)
	p.short.replicas = newShort(cfg.Certificates, roles.Producer, roles.Observer)
	return p
}

// Connections to producers.
const (
	dialTime  = 2 * time.Second
	keepAlive = 10 * time.Second
	maxIdle   = 512
	idleTime  = time.Minute // shorter than the producer's: it never closes one that is about to be used
)

// transport makes the connections to producers. With certificates they are of TLS, and the server has one of the roles: whoever
// writes Redis names the address, and does not choose who is believed there.
func transport(certificates *certs.Source, servers ...roles.Role) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTime, KeepAlive: keepAlive}
	t := &http.Transport{
		DialContext:         dialer.DialContext,
		MaxIdleConns:        maxIdle,
		MaxIdleConnsPerHost: maxIdle,
		IdleConnTimeout:     idleTime,
		// The producer's processor time is the scarce thing: the gateway compresses for its clients.
		DisableCompression: true,
		ReadBufferSize:     32 << 10,
		WriteBufferSize:    64 << 10,
	}
	if certificates != nil {
		t.DialTLSContext = certificates.DialTLS(dialer.DialContext, servers...)
	}
	return t
}

// Close closes the idle connections to producers.
func (p *Proxy) Close() {
	p.transport.CloseIdleConnections()
	p.replicas.CloseIdleConnections()
	p.short.leader.close()
	p.short.replicas.close()
}

// Root serves "/": POST, and the upgrade to a WebSocket.
func (p *Proxy) Root() http.Handler {
	posts := rpchttp.Compressed(http.HandlerFunc(p.forward))
	return p.cors.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case isUpgrade(r):
			p.serveWebSocket(w, r)
		case rpchttp.Check(w, r):
			posts.ServeHTTP(w, r)
		}
	}))
}

// WebSocket serves "/ws": the upgrade only.
func (p *Proxy) WebSocket() http.Handler {
	return p.cors.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isUpgrade(r) {
			rpchttp.Elsewhere(w, r)
			return
		}
		p.serveWebSocket(w, r)
	}))
}

// Refuse answers a request that a budget of the listener refuses.
func Refuse(w http.ResponseWriter, err error) { exceeded(w, nil, err) }

func refuse(w http.ResponseWriter, request []byte, status, code int, message string) {
	jsonrpc.Write(w, status, jsonrpc.Reply(request, jsonrpc.Error{Code: code, Message: message}))
}

// unavailable refuses a request and asks clients and load balancers to retry.
func (p *Proxy) unavailable(w http.ResponseWriter, request []byte, kind string, status int, message string) {
	p.cfg.Recorder.ForwardError(kind)
	w.Header().Set("Retry-After", "1")
	refuse(w, request, status, jsonrpc.Unavailable, message)
}
