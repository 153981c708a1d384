package budget

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func flags() Flags {
	return Flags{
		Connections: 3, Requests: 2, Sockets: 2, Units: 10, Burst: 100, ReadingBytes: 1000,
		Costs: map[string]int{"eth_call": 20, "debug_*": 50, "debug_trace*": 100}, TrustedProxies: []string{"10.0.0.0/8", "127.0.0.0/8"},
	}
}

func newBudget(t *testing.T) *Budget {
	t.Helper()
	return newBudgetOf(t, flags())
}

// withMemory is a budget whose clients may have 256 KiB in memory each.
func withMemory(t *testing.T) *Budget {
	t.Helper()
	f := flags()
	f.ReadingBytes = 1 << 20
	return newBudgetOf(t, f)
}

func newBudgetOf(t *testing.T, f Flags) *Budget {
	t.Helper()
	b, err := New(f, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func from(address string, forwarded ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.RemoteAddr = net.JoinHostPort(address, "1234")
	for _, f := range forwarded {
		r.Header.Add("X-Forwarded-For", f)
	}
	return r
}

func exceeds(t *testing.T, err error, budget string) {
	t.Helper()
	refusal := (*Refusal)(nil)
	if !errors.As(err, &refusal) || refusal.Budget != budget || !errors.Is(err, ErrExceeded) || refusal.RetryAfter() < "1" {
		t.Errorf("got %v, want a refusal by %s", err, budget)
	}
}

// Who a client is: its address, or what a trusted proxy says; nobody else's header counts.
func TestAClientIsItsAddressOrWhatATrustedProxySays(t *testing.T) {
	b := newBudget(t)
	for _, c := range []struct {
		address   string
		forwarded []string
		want      string
		limited   bool
	}{
		{"203.0.113.7", nil, "203.0.113.7", true},
		{"203.0.113.7", []string{"198.51.100.1"}, "203.0.113.7", true}, // it is no proxy of ours
		{"10.1.2.3", []string{"198.51.100.1"}, "198.51.100.1", true},
		{"10.1.2.3", []string{"192.0.2.9, 198.51.100.1"}, "198.51.100.1", true}, // the client wrote the first
		{"10.1.2.3", []string{"192.0.2.9", "198.51.100.1, 10.9.9.9"}, "198.51.100.1", true},
		{"10.1.2.3", []string{"nonsense"}, "10.1.2.3", true},
		{"10.1.2.3", nil, "10.1.2.3", true},
		{"127.0.0.1", nil, "127.0.0.1", false},
		{"::1", nil, "::1", false},
		{"127.0.0.1", []string{"198.51.100.1"}, "198.51.100.1", true},
		{"127.0.0.1", []string{"127.0.0.9"}, "127.0.0.9", true}, // it came through a proxy
		{"2001:db8:1:2:3:4:5:6", nil, "2001:db8:1:2::", true},
		{"::ffff:203.0.113.7", nil, "203.0.113.7", true},
	} {
		if got, limited := b.key(from(c.address, c.forwarded...)); got.addr.String() != c.want || limited != c.limited {
			t.Errorf("%s for %v: %s, limited %v", c.address, c.forwarded, got.addr, limited)
		}
	}
}

func TestRequestsAndSocketsOfAClientAreBounded(t *testing.T) {
	b := newBudget(t)
	for socket, kind := range map[bool]string{false: Requests, true: Sockets} {
		var leaves []func()
		for range 2 {
			_, leave, err := b.Enter(from("203.0.113.7"), socket)
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, leave)
		}
		_, _, err := b.Enter(from("203.0.113.7"), socket)
		exceeds(t, err, kind)
		if _, leave, err := b.Enter(from("203.0.113.8"), socket); err != nil {
			t.Errorf("another client: %v", err)
		} else {
			leave()
		}
		for range 5 {
			if _, _, err := b.Enter(from("127.0.0.1"), socket); err != nil {
				t.Errorf("on this machine: %v", err)
			}
		}
		leaves[0]()
		if _, leave, err := b.Enter(from("203.0.113.7"), socket); err != nil {
			t.Errorf("after one has ended: %v", err)
		} else {
			leave()
		}
		leaves[1]()
	}
}

// asking is a batch of calls of these methods.
func asking(methods ...string) []byte {
	var calls []string
	for _, m := range methods {
		calls = append(calls, `{"method":"`+m+`"}`)
	}
	return []byte("[" + strings.Join(calls, ",") + "]")
}

// enter begins a request of an address.
func (b *Budget) enter(t *testing.T, address string) context.Context {
	t.Helper()
	ctx, leave, err := b.Enter(from(address), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(leave)
	return ctx
}

func TestCallsCostUnitsThatGrowBack(t *testing.T) {
	b := newBudget(t)
	now := time.Unix(1_000, 0)
	b.now = func() time.Time { return now }
	one, other := b.enter(t, "203.0.113.7"), b.enter(t, "203.0.113.8")
	calls := asking("eth_call", "eth_call", "eth_chainId", "debug_gcStats") // 20 + 20 + 1 + 50 of 100
	if err := Charge(one, calls); err != nil {
		t.Fatal(err)
	}
	exceeds(t, Charge(one, calls), Units)
	if err := Charge(one, asking("a", "b", "c")); err != nil {
		t.Errorf("a refused request cost something: %v", err)
	}
	if err := Charge(other, asking("debug_traceCall")); err != nil {
		t.Errorf("another client: %v", err)
	}
	now = now.Add(9 * time.Second)
	if err := Charge(one, calls); err != nil {
		t.Errorf("after 9 seconds: %v", err)
	}
	if err := Charge(t.Context(), calls); err != nil || Of(t.Context()) != nil {
		t.Errorf("without a client: %v", err)
	}
}

// What a call names as its method counts however it is written, and what is no call costs a unit too.
func TestACallCostsWhatTheDearestOfItsNamesDoes(t *testing.T) {
	b := newBudget(t)
	for _, body := range []string{
		`{"METHOD":"debug_traceCall"}`, `{"method":"debug_traceCall","method":"eth_chainId"}`, `{"method":"eth_chainId","Method":"debug_traceCall"}`,
		`[{"method":"debug_gcStats"},7,{"method":"eth_call"}]`, `[` + strings.Repeat("7,", 70) + `7]`,
	} {
		ctx := b.enter(t, "203.0.113."+strconv.Itoa(len(b.clients)+1))
		if err := Charge(ctx, []byte(body)); err != nil {
			t.Fatal(err)
		}
		exceeds(t, Charge(ctx, asking("eth_call", "eth_call")), Units) // fewer than 40 of 100 are left
	}
}

// A KiB of a request costs a unit, whatever becomes of it. Who owes units is refused before anything is read or parsed.
func TestWhoSendsMuchOwesUnits(t *testing.T) {
	b := withMemory(t)
	now := time.Unix(1_000, 0)
	b.now = func() time.Time { return now }
	ctx := b.enter(t, "203.0.113.7")
	if err := reading(ctx, 99<<10); err != nil { // of 100 units
		t.Fatal(err)
	}
	exceeds(t, Charge(ctx, asking("a", "b")), Units)
	if err := Charge(ctx, asking("a")); err != nil {
		t.Errorf("the last unit: %v", err)
	}
	if err := reading(ctx, 10<<10); err != nil {
		t.Fatal(err)
	}
	exceeds(t, Charge(ctx, []byte("[")), Units)
	for _, socket := range []bool{false, true} {
		_, _, err := b.Enter(from("203.0.113.7"), socket)
		exceeds(t, err, Units)
		if refusal := (*Refusal)(nil); !errors.As(err, &refusal) || refusal.After != 1100*time.Millisecond { // 10 units a second
			t.Errorf("again after %v", refusal.After)
		}
	}
	b.enter(t, "203.0.113.8")
	now = now.Add(time.Second)
	b.enter(t, "203.0.113.7")
}

func TestABodyThatCannotBeTakenIsNotReadAtAll(t *testing.T) {
	b := withMemory(t)
	ctx := b.enter(t, "203.0.113.7")
	quarter := b.flags.ReadingBytes / 4
	if err := reading(ctx, quarter-1000); err != nil {
		t.Fatal(err)
	}
	if err := Announced(ctx, 1000); err != nil {
		t.Error(err)
	}
	exceeds(t, Announced(ctx, 1001), Reading)
	for _, ctx := range []context.Context{b.enter(t, "203.0.113.8"), t.Context()} {
		if err := Announced(ctx, quarter); err != nil {
			t.Error(err)
		}
	}
}

func TestABatchThatCanNeverBePaidIsToBeSplit(t *testing.T) {
	b := newBudget(t)
	ctx := b.enter(t, "203.0.113.7")
	err := Charge(ctx, asking("debug_traceCall", "debug_traceCall"))
	exceeds(t, err, Units)
	if !strings.Contains(err.Error(), "split") {
		t.Error(err)
	}
}

// reading reads n bytes for a request.
func reading(ctx context.Context, n int64) error {
	_, err := io.Copy(io.Discard, Reader(ctx, io.LimitReader(zeros{}, n)))
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return min(len(p), 1000), nil }

// Bytes count as they arrive: what is only announced takes nobody's room. However much others have, a usual request is read.
func TestBytesAreCountedUntilTheRequestEnds(t *testing.T) {
	b := withMemory(t)
	ctx, leave, err := b.Enter(from("203.0.113.7"), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := reading(ctx, 200_000); err != nil {
		t.Fatal(err)
	}
	exceeds(t, reading(ctx, 100_000), Reading) // a quarter at most
	message := Message(ctx)
	_, err = io.Copy(io.Discard, message.Reader(io.LimitReader(zeros{}, 10_000)))
	exceeds(t, err, Reading)
	message.Release()
	for i := range 4 {
		if err := reading(b.enter(t, "203.0.113.1"+strconv.Itoa(i)), 200_000); i < 3 && err != nil {
			t.Fatal(err)
		}
	}
	exceeds(t, reading(b.enter(t, "203.0.113.99"), 200_000), Reading) // all is taken
	if err := reading(b.enter(t, "203.0.113.100"), 50_000); err != nil {
		t.Errorf("a usual request of another client: %v", err)
	}
	if err := reading(b.enter(t, "127.0.0.1"), 50_000); err != nil {
		t.Errorf("a usual request of this machine: %v", err)
	}
	exceeds(t, reading(b.enter(t, "127.0.0.1"), 100_000), Reading)
	before := b.reading
	leave()
	leave() // again is harmless for the bytes
	if before-b.reading < 200_000 {
		t.Errorf("%d bytes before, %d after the request ended", before, b.reading)
	}
}

// arriving is a listener whose connections come from an address.
type arriving struct {
	net.Listener
	conns chan net.Conn
}

func (a arriving) Close() error { return nil }

func (a arriving) Accept() (net.Conn, error) {
	c, ok := <-a.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

type conn struct {
	net.Conn
	address string
	closed  chan struct{}
}

func (c conn) RemoteAddr() net.Addr {
	a, _ := net.ResolveTCPAddr("tcp", net.JoinHostPort(c.address, "9"))
	return a
}
func (c conn) Close() error {
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	return nil
}

func TestConnectionsOfAnAddressAreBounded(t *testing.T) {
	b := newBudget(t)
	a := arriving{conns: make(chan net.Conn, 20)}
	l := b.Door(a, 100)
	dial := func(address string) conn {
		c := conn{address: address, closed: make(chan struct{})}
		a.conns <- c
		return c
	}
	var first net.Conn
	for i := range 3 {
		dial("203.0.113.7")
		got, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = got
		}
	}
	refused := dial("203.0.113.7")
	for _, address := range []string{"203.0.113.8", "10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1", "127.0.0.1"} {
		dial(address)
		if got, err := l.Accept(); err != nil || got.RemoteAddr().(*net.TCPAddr).IP.String() != address {
			t.Errorf("%s: %v, %v", address, got, err)
		}
	}
	<-refused.closed
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	dial("203.0.113.7")
	if _, err := l.Accept(); err != nil {
		t.Error(err)
	}
}

// However many addresses hold connections, a new one is taken: for it, the one that has been idle for longest is closed.
func TestWhoHoldsAllConnectionsKeepsNobodyOut(t *testing.T) {
	for name, b := range map[string]*Budget{"with budgets": newBudget(t), "without": nil} {
		a := arriving{conns: make(chan net.Conn, 20)}
		d := b.Door(a, 3)
		arrive := func(address string) (conn, net.Conn) {
			c := conn{address: address, closed: make(chan struct{})}
			a.conns <- c
			got, err := d.Accept()
			if err != nil {
				t.Fatal(err)
			}
			return c, got
		}
		first, served := arrive("198.51.100.1")
		second, kept := arrive("10.0.0.1") // of a proxy
		_, third := arrive("198.51.100.3")
		d.State(served, http.StateActive)
		d.State(kept, http.StateActive)
		d.State(kept, http.StateIdle) // it was used after the third
		fourth, _ := arrive("198.51.100.4")
		if err := third.Close(); err != nil { // it was closed for the fourth, and counts no more
			t.Fatal(err)
		}
		if len(d.open) != 3 || d.idle.Len() != 2 {
			t.Errorf("%s: %d are open, %d of them idle", name, len(d.open), d.idle.Len())
		}
		arrive("198.51.100.5")
		<-second.closed
		arrive("198.51.100.6")
		<-fourth.closed
		select {
		case <-first.closed:
			t.Errorf("%s: one that is served was closed", name)
		default:
		}
		for one := range d.open {
			d.State(one, http.StateActive)
		}
		a.conns <- conn{address: "198.51.100.7", closed: make(chan struct{})}
		waits := make(chan net.Conn)
		go func() {
			got, _ := d.Accept()
			waits <- got
		}()
		d.State(served, http.StateIdle) // now there is one to close
		<-first.closed
		if got := <-waits; got == nil || len(d.open) != 3 {
			t.Errorf("%s: %v, %d are open", name, got, len(d.open))
		}
		for one := range d.open {
			d.State(one, http.StateActive)
		}
		a.conns <- conn{address: "198.51.100.8", closed: make(chan struct{})}
		close(a.conns)
		go func() {
			got, _ := d.Accept()
			waits <- got
		}()
		if err := errors.Join(d.Close(), d.Close()); err != nil {
			t.Error(err)
		}
		if got := <-waits; got != nil {
			t.Errorf("%s: it was accepted at a closed door", name)
		}
	}
}

// What clients leave behind is forgotten, and further ones than can be told apart share a budget.
func TestTheNumberOfClientsIsBounded(t *testing.T) {
	b := newBudget(t)
	now := time.Unix(1_000, 0)
	b.now = func() time.Time { return now }
	visit := func(i int, cost bool) {
		ctx, leave, err := b.Enter(from(net.IPv4(20, byte(i>>16), byte(i>>8), byte(i)).String()), false)
		if err != nil {
			t.Fatal(err)
		}
		if cost {
			_ = Charge(ctx, asking("eth_call"))
		}
		leave()
	}
	for i := range 2 * many {
		visit(i, false)
		now = now.Add(time.Second / many)
	}
	if n := len(b.clients); n > many+many/2 {
		t.Errorf("%d clients are remembered", n)
	}
	for i := range most + 100 {
		visit(i, true)
	}
	if n := len(b.clients); n > most+1 {
		t.Errorf("%d clients are remembered", n)
	}
}

func TestFlagsThatLetNothingThroughAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Flags){
		"no requests": func(f *Flags) { f.Requests = 0 }, "a network": func(f *Flags) { f.TrustedProxies = []string{"10.0.0.1"} },
		"a cost above the burst": func(f *Flags) { f.Costs = map[string]int{"x": 101} }, "a negative cost": func(f *Flags) { f.Costs = map[string]int{"x": -1} },
	} {
		f := flags()
		if change(&f); f.Validate() == nil {
			t.Error(name)
		}
	}
	if f := flags(); f.Validate() != nil {
		t.Error("good ones are refused")
	}
}

func TestANilBudgetBoundsNothing(t *testing.T) {
	ctx, leave, err := (*Budget)(nil).Enter(from("203.0.113.7"), false)
	if err != nil {
		t.Fatal(err)
	}
	leave()
	if err := reading(ctx, 1<<20); err != nil {
		t.Error(err)
	}
	Message(ctx).Release()
}

func TestAClientWithAKeyHasHigherBounds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clients")
	write := func(text string, at int64) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Unix(at, 0)); err != nil {
			t.Fatal(err)
		}
	}
	write(`[{"name":"acme","key":"0123456789abcdef","factor":3}]`, 1)
	f := flags()
	f.ClientsFile = file
	b, err := New(f, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_000, 0)
	b.now = func() time.Time { return now }
	entered := func(key string) (n int) {
		r := from("203.0.113.7")
		r.Header.Set(KeyHeader, key)
		for {
			_, leave, err := b.Enter(r, false)
			if err != nil {
				return n
			}
			n++
			defer leave()
		}
	}
	for key, want := range map[string]int{"0123456789abcdef": 6, "0123456789abcdeX": 2, "": 2} {
		if n := entered(key); n != want {
			t.Errorf("key %q: %d requests at a time, want %d", key, n, want)
		}
	}
	write(`[{"name":"acme","key":"fedcba9876543210","factor":5}]`, 2)
	now = now.Add(time.Second)
	if one, other := entered("0123456789abcdef"), entered("fedcba9876543210"); one != 2 || other != 10 {
		t.Errorf("after a change: %d and %d", one, other)
	}
	write(`[{"name":"acme"`, 3)
	now = now.Add(time.Second)
	if n := entered("fedcba9876543210"); n != 10 {
		t.Errorf("a file that cannot be used takes keys away: %d", n)
	}
	for name, text := range map[string]string{
		"no JSON": "x", "no name": `[{"key":"0123456789abcdef","factor":1}]`, "a short key": `[{"name":"a","key":"0123","factor":1}]`,
		"no factor": `[{"name":"a","key":"0123456789abcdef"}]`, "another field": `[{"name":"a","key":"0123456789abcdef","factor":1,"x":1}]`,
		"a name twice": `[{"name":"a","key":"0123456789abcdef","factor":1},{"name":"a","key":"1123456789abcdef","factor":1}]`,
	} {
		write(text, 9)
		if _, err := New(f, prometheus.NewRegistry(), slog.New(slog.DiscardHandler)); !errors.Is(err, ErrClientsFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := New(f, prometheus.NewRegistry(), slog.New(slog.DiscardHandler)); !errors.Is(err, ErrClientsFile) {
		t.Errorf("others can read it: %v", err)
	}
}
