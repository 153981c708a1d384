// Package budget bounds what one client can take of an HTTP server: connections, requests at a time, WebSockets, bytes of requests
// in memory, and compute units a second. Who exceeds a bound is refused at once with 429 and Retry-After, counted, and never held.
//
// A client is whoever has an API key of the clients file, or else an address; of IPv6, a network of 64 bits. Behind a proxy that the
// operator names it is the address that the proxy forwards for. A client on this machine that comes through no such proxy has no
// budget: developers notice nothing, and what an operator runs beside the server is trusted. The bound of bytes is for all together,
// those too.
package budget

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"blindseq/kit/jsonrpc"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// Flags are the bounds, as a service's configuration embeds them.
type Flags struct {
	Connections    int            `name:"client-connections" help:"Maximum number of connections of one address." default:"256"`
	Requests       int            `name:"client-requests" help:"Maximum number of requests of one client at a time." default:"128"`
	Sockets        int            `name:"client-websockets" help:"Maximum number of WebSockets of one client." default:"32"`
	Units          int            `name:"client-units" help:"Compute units a second of one client. A method costs what --method-costs says, any other call one unit, and each KiB of a request another." default:"5000"`
	Burst          int            `name:"client-burst" help:"Compute units that a client may save up, and the most that one request may cost." default:"10000"`
	Costs          map[string]int `name:"method-costs" help:"Compute units of methods, as method=units;method=units. A name that ends with * is a prefix; the longest that fits counts." default:"eth_call=20;eth_estimateGas=50;eth_createAccessList=50;eth_simulateV1=200;eth_getLogs=75;eth_getFilterLogs=75;eth_getProof=20;eth_feeHistory=10;eth_sendRawTransaction=10;debug_*=500;txpool_content*=200"`
	ReadingBytes   int64          `name:"reading-bytes" help:"Maximum bytes of all requests in memory, from when they arrive until they are answered. One client may have a quarter; 64 KiB each client always has." default:"67108864"`
	ClientsFile    string         `name:"clients-file" help:"File (mode 0600) with the API keys of clients: a JSON list of name, key and factor. A client that sends its key in X-Api-Key has bounds so many times as high, wherever it comes from. It is read again when it changes." type:"path"`
	TrustedProxies []string       `name:"trusted-proxies" help:"Networks (CIDR) of proxies whose X-Forwarded-For says who the client is."`
}

// Validate refuses bounds that let nothing through.
func (f Flags) Validate() error {
	for name, n := range map[string]int64{
		"client-connections": int64(f.Connections), "client-requests": int64(f.Requests), "client-websockets": int64(f.Sockets),
		"client-units": int64(f.Units), "client-burst": int64(f.Burst), "reading-bytes": f.ReadingBytes,
	} {
		if n < 1 {
			return fmt.Errorf("--%s must be at least 1, not %d", name, n)
		}
	}
	for method, n := range f.Costs {
		if n < 0 || n > f.Burst {
			return fmt.Errorf("--method-costs: %s must cost from 0 to --client-burst (%d) units, not %d", method, f.Burst, n)
		}
	}
	_, err := networks(f.TrustedProxies)
	return err
}

func networks(list []string) (out []netip.Prefix, err error) {
	for _, one := range list {
		p, err := netip.ParsePrefix(one)
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxies: %q is no network such as 10.0.0.0/8", one)
		}
		out = append(out, p)
	}
	return out, nil
}

// Names of the bounds, in refusals and metrics.
const (
	Connections = "connections"
	Requests    = "requests"
	Sockets     = "websockets"
	Units       = "units"
	Reading     = "reading_bytes"
)

var names = []string{Connections, Requests, Sockets, Units, Reading}

// ErrExceeded is wrapped by every Refusal.
var ErrExceeded = errors.New("budget exceeded")

// Refusal says which bound a client exceeds, and after how long it may try again.
type Refusal struct {
	Budget string
	After  time.Duration
	detail string
}

func (r *Refusal) Error() string { return ErrExceeded.Error() + ": " + r.detail }

// Unwrap makes it an ErrExceeded.
func (*Refusal) Unwrap() error { return ErrExceeded }

// RetryAfter is the header's value: whole seconds, at least one.
func (r *Refusal) RetryAfter() string {
	return fmt.Sprint(int64(max(r.After, time.Second)+time.Second-1) / int64(time.Second))
}

// Budget bounds the clients of a server. A nil one bounds nothing. Its methods may be called from any goroutine.
type Budget struct {
	flags   Flags
	proxies []netip.Prefix
	costs   costs
	refused func(budget string)
	now     func() time.Time

	keys *keys

	mu      sync.Mutex
	clients map[identity]*Client
	reading int64
	forgot  time.Time
}

// New makes a Budget and registers its metric.
func New(f Flags, registry prometheus.Registerer, log *slog.Logger) (*Budget, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	keys, err := openKeys(f.ClientsFile, func(err error) {
		log.Warn("clients file cannot be used; the keys before stay", "error", err)
	})
	if err != nil {
		return nil, fmt.Errorf("--clients-file: %w", err)
	}
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "blindseq_budget_refused_total",
		Help: "Connections, requests and calls refused because a client exceeded a bound, by bound: connections, requests, websockets, units (compute units a second) or reading_bytes.",
	}, []string{"budget"})
	for _, name := range names {
		counter.WithLabelValues(name)
	}
	registry.MustRegister(counter)
	proxies, _ := networks(f.TrustedProxies) // Validate has checked them
	return &Budget{flags: f, proxies: proxies, costs: newCosts(f.Costs), refused: func(name string) { counter.WithLabelValues(name).Inc() }, now: time.Now, keys: keys, clients: map[identity]*Client{}}, nil
}

// identity tells clients apart: an address, or the name that belongs to an API key. Its bounds are so many times those of the flags.
type identity struct {
	addr   netip.Addr
	name   string
	factor int
}

// String is the client's name in logs of others.
func (id identity) String() string {
	if id.name != "" {
		return id.name
	}
	return id.addr.String()
}

// Client is what one client takes now. A nil one has no budget of its own.
type Client struct {
	b       *Budget
	name    string
	factor  int
	units   *rate.Limiter
	uses    int // requests, sockets and connections
	using   map[string]int
	reading int64
}

// many is from how many clients on those that take nothing are forgotten; most is how many are told apart.
const (
	many        = 4096
	most        = 1 << 16
	forgetEvery = time.Second // a look at all of them
)

// of returns a client. The caller holds mu.
func (b *Budget) of(id identity) *Client {
	if c := b.clients[id]; c != nil {
		return c
	}
	if now := b.now(); len(b.clients) >= many && now.Sub(b.forgot) >= forgetEvery {
		b.forgot = now
		b.forget(now)
	}
	if len(b.clients) >= most {
		id = identity{factor: 1} // all further ones together are one client
		if c := b.clients[id]; c != nil {
			return c
		}
	}
	c := &Client{
		b: b, name: id.String(), factor: id.factor, units: rate.NewLimiter(rate.Limit(b.flags.Units*id.factor), b.flags.Burst*id.factor), using: map[string]int{},
	}
	b.clients[id] = c
	return c
}

func (b *Budget) forget(now time.Time) {
	for id, c := range b.clients {
		if c.uses == 0 && c.reading == 0 && c.units.TokensAt(now) >= float64(c.units.Burst()) {
			delete(b.clients, id)
		}
	}
}

// key says who the client of a request is, and whether it has a budget.
func (b *Budget) key(r *http.Request) (identity, bool) {
	if h := b.keys.of(r.Header.Get(KeyHeader), b.now()); h != nil {
		return identity{name: h.Name, factor: h.Factor}, true
	}
	addr, ok := addressOf(r.RemoteAddr)
	if !ok {
		return identity{factor: 1}, true
	}
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	through := false
	for i := len(forwarded) - 1; i >= 0 && b.trusted(addr); i-- {
		before, err := netip.ParseAddr(strings.TrimSpace(forwarded[i]))
		if err != nil {
			break
		}
		addr, through = before.Unmap(), true
	}
	if addr.IsLoopback() && !through {
		return identity{addr: addr, factor: 1}, false
	}
	return identity{addr: network(addr), factor: 1}, true
}

func (b *Budget) trusted(addr netip.Addr) bool {
	return slices.ContainsFunc(b.proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// network is the address itself, or that of the IPv6 network it is in.
func network(addr netip.Addr) netip.Addr {
	if addr.Is4() {
		return addr
	}
	p, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return addr
	}
	return p.Addr()
}

func addressOf(hostport string) (netip.Addr, bool) {
	ap, err := netip.ParseAddrPort(hostport)
	return ap.Addr().Unmap(), err == nil
}

// acquire counts one more use of a kind, at most so many.
func (b *Budget) acquire(id identity, kind string, most int) (*Client, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.of(id)
	if most *= c.factor; c.using[kind] >= most {
		b.refused(kind)
		return nil, &Refusal{kind, time.Second, fmt.Sprintf("at most %d %s of one client at a time", most, kind)}
	}
	c.using[kind]++
	c.uses++
	return c, nil
}

func (c *Client) release(kind string) {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	c.using[kind]--
	c.uses--
}

// Enter begins a request, or a WebSocket. A client that owes units is refused before anything is read. leave ends it, and gives back the bytes that it took.
func (b *Budget) Enter(r *http.Request, socket bool) (ctx context.Context, leave func(), err error) {
	if b == nil {
		return r.Context(), func() {}, nil
	}
	account := &Bytes{b: b}
	ctx = context.WithValue(r.Context(), bytesKey{}, account)
	id, limited := b.key(r)
	if !limited {
		return ctx, account.Release, nil
	}
	kind, most := Requests, b.flags.Requests
	if socket {
		kind, most = Sockets, b.flags.Sockets
	}
	if account.c, err = b.acquire(id, kind, most); err != nil {
		return ctx, nil, err
	}
	leave = func() { account.Release(); account.c.release(kind) }
	if err := account.c.inDebt(); err != nil {
		leave()
		return ctx, nil, err
	}
	return ctx, leave, nil
}

type bytesKey struct{}

func accountOf(ctx context.Context) *Bytes {
	a, _ := ctx.Value(bytesKey{}).(*Bytes)
	return a
}

// Of is the client of a request, nil for one without a budget.
func Of(ctx context.Context) *Client {
	if a := accountOf(ctx); a != nil {
		return a.c
	}
	return nil
}

// Charge takes the compute units of a request's calls from its client. Either all are paid or none. It does not parse the request of a
// client that can pay nothing.
func Charge(ctx context.Context, request []byte) error {
	c := Of(ctx)
	if c == nil {
		return nil
	}
	if err := c.inDebt(); err != nil {
		return err
	}
	calls, _ := jsonrpc.Calls(request)
	cost := 0
	for _, one := range calls {
		cost += c.b.costs.of(one)
	}
	now := c.b.now()
	if c.units.AllowN(now, cost) {
		return nil
	}
	if cost > c.units.Burst() {
		return c.refuse(0, fmt.Sprintf("these calls cost %d compute units together, more than this client can have at once (%d): split the batch", cost, c.units.Burst()))
	}
	return c.refuse(c.until(cost, now), fmt.Sprintf("these calls cost %d compute units; this client has %.0f a second", cost, float64(c.units.Limit())))
}

// owe takes units that are used up already. They may be more than the client has.
func (c *Client) owe(units int) { c.units.ReserveN(c.b.now(), min(units, c.units.Burst())) }

// inDebt refuses a client that owes units.
func (c *Client) inDebt() error {
	now := c.b.now()
	if c.units.TokensAt(now) >= 0 {
		return nil
	}
	return c.refuse(c.until(1, now), fmt.Sprintf("this client has used up its compute units; it has %.0f a second", float64(c.units.Limit())))
}

// until is how long it takes until a client has so many units.
func (c *Client) until(units int, now time.Time) time.Duration {
	return time.Duration((float64(units) - c.units.TokensAt(now)) / float64(c.units.Limit()) * float64(time.Second))
}

func (c *Client) refuse(after time.Duration, detail string) error {
	c.b.refused(Units)
	return &Refusal{Units, after, detail}
}

// Name is the client's: that of its API key, or its address.
func (c *Client) Name() string { return c.name }

// Factor is how many times the bounds of a client without an API key it has.
func (c *Client) Factor() int { return c.factor }
