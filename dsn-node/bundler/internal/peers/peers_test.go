package peers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"blindseq/dsn-node/bundler/internal/bundling"
	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/kit/jsonrpc"
	"blindseq/kit/notify"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
)

// bundler is one whose transactions are the addresses of their senders.
type bundler struct {
	*Peers
	mu      sync.Mutex
	kept    map[common.Address]int
	found   map[common.Hash]bundling.Found
	list    common.Hash
	ordered uint64
	refuses error
	changed notify.Broadcast
}

func (b *bundler) Accounts(raw []byte) (accounts []common.Address, err error) {
	for ; len(raw) > 0; raw = raw[common.AddressLength:] {
		accounts = append(accounts, common.BytesToAddress(raw[:common.AddressLength]))
	}
	return accounts, nil
}

func (b *bundler) Send(_ context.Context, raw []byte) (common.Hash, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuses != nil {
		return common.Hash{}, b.refuses
	}
	b.kept[common.BytesToAddress(raw[:common.AddressLength])]++
	return common.BytesToHash(raw), nil
}

func (b *bundler) SendHeld(ctx context.Context, raw []byte) (common.Hash, error) {
	if !b.Keeps(common.BytesToAddress(raw)) {
		return common.Hash{}, bundling.ErrNothingKept
	}
	return b.Send(ctx, raw)
}

func (b *bundler) NextNonce(_ context.Context, account common.Address) (uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return uint64(b.kept[account]), nil
}

func (b *bundler) Look(_ context.Context, hash common.Hash, _ bool) (bundling.Found, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.found[hash], nil
}

func (b *bundler) Standing(hash common.Hash) outbox.Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.found[hash]
	return outbox.Standing{Queued: f.At == bundling.Queued, ID: f.ID, Ended: f.At == bundling.Ended, Reason: f.Reason}
}

func (b *bundler) Watch(common.Hash) (changed func() <-chan struct{}, forget func()) {
	return b.changed.Changed, func() {}
}

// becomes has a transaction make a step.
func (b *bundler) becomes(hash common.Hash, f bundling.Found) {
	b.mu.Lock()
	b.found[hash] = f
	b.mu.Unlock()
	b.changed.Notify()
}

func (b *bundler) Keeps(account common.Address) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kept[account] > 0
}

func (b *bundler) Kept() (all []common.Address) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for account := range b.kept {
		all = append(all, account)
	}
	return all
}

func (b *bundler) Ordered(number uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ordered = max(b.ordered, number)
}

func (b *bundler) LastOrdered() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ordered
}

func (b *bundler) Join(list common.Hash) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = list
	return nil
}

func (b *bundler) Joined() (common.Hash, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.list, nil
}

func (b *bundler) settled() bool {
	list, _ := b.Joined()
	return list == b.List.hash
}

func (b *bundler) keeps(account common.Address) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kept[account]
}

// empty has the account leave the bundler.
func (b *bundler) empty(account common.Address, at uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ordered = at
	delete(b.kept, account)
}

// world are bundlers that reach each other by name.
type world struct {
	t    *testing.T
	mu   sync.Mutex
	at   map[string]*bufconn.Listener
	runs map[string]func()
}

func newWorld(t *testing.T) *world {
	return &world{t: t, at: map[string]*bufconn.Listener{}, runs: map[string]func(){}}
}

// start starts a bundler with a list, what it had before is kept.
func (w *world) start(b *bundler, name string, names, leaving []string) *bundler {
	w.t.Helper()
	w.stop(name)
	var peers []string
	for _, n := range names {
		peers = append(peers, n+"="+n+":1")
	}
	list, err := Parse(1, name, peers, leaving)
	if err != nil {
		w.t.Fatal(err)
	}
	b.Peers, err = New(Options{List: list, Local: b, Box: b, Timeout: 300 * time.Millisecond, Log: slog.New(slog.DiscardHandler), Dial: w.dial})
	if err != nil {
		w.t.Fatal(err)
	}
	server, l := grpc.NewServer(grpc.UnaryInterceptor(coded)), bufconn.Listen(1<<16)
	b.Register(server, func(err error) jsonrpc.Error {
		refusal := (*rollup.Refusal)(nil)
		if errors.As(err, &refusal) {
			return jsonrpc.Error{Code: refusal.Code, Message: refusal.Message}
		}
		return jsonrpc.Error{Code: jsonrpc.Refused, Message: err.Error()}
	})
	ctx, cancel := context.WithCancel(w.t.Context())
	var runs sync.WaitGroup
	runs.Go(func() { _ = server.Serve(l) })
	runs.Go(func() { _ = b.Run(ctx) })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at[name] = l
	w.runs[name] = func() { cancel(); server.Stop(); runs.Wait() }
	w.t.Cleanup(func() { w.stop(name) })
	return b
}

// coded gives errors their codes, as the kit's server does.
func coded(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	answer, err := handler(ctx, req)
	for sentinel, code := range Errors() {
		if errors.Is(err, sentinel) {
			return nil, status.Error(code, err.Error())
		}
	}
	return answer, err
}

func (w *world) stop(name string) {
	w.mu.Lock()
	end := w.runs[name]
	delete(w.runs, name)
	delete(w.at, name)
	w.mu.Unlock()
	if end != nil {
		end()
	}
}

func (w *world) dial(address string) (*grpc.ClientConn, error) {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return grpc.NewClient("passthrough:///"+name, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: time.Millisecond, Multiplier: 1, MaxDelay: time.Millisecond}}),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			w.mu.Lock()
			l := w.at[name]
			w.mu.Unlock()
			if l == nil {
				return nil, errors.New("nobody is there")
			}
			return l.DialContext(ctx)
		}))
}

func empty() *bundler {
	return &bundler{kept: map[common.Address]int{}, found: map[common.Hash]bundling.Found{}}
}

// of is an account whose home is a member of a list, and with others another one of the list.
func of(t *testing.T, name string, names []string, before ...string) common.Address {
	t.Helper()
	for i := range 1000 {
		a := common.BytesToAddress([]byte{byte(i >> 8), byte(i), 1})
		if homeOf(t, a, names) == name && (len(before) == 0 || homeOf(t, a, before) != name) {
			return a
		}
	}
	t.Fatal("there is none")
	return common.Address{}
}

func homeOf(t *testing.T, account common.Address, names []string, leaving ...string) string {
	t.Helper()
	var peers []string
	for _, n := range names {
		peers = append(peers, n+"="+n+":1")
	}
	l, err := Parse(1, names[0], peers, leaving)
	if err != nil {
		t.Fatal(err)
	}
	return l.members[l.home(account)].name
}

func (b *bundler) mustSend(t *testing.T, account common.Address) {
	t.Helper()
	if _, err := b.Peers.Send(t.Context(), account[:]); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherBundlerTakesAccountsFromTheOthersAlike(t *testing.T) {
	two, three := []string{"a", "b"}, []string{"c", "b", "a"}
	count := map[string]int{}
	for i := range 3000 {
		account := common.BytesToAddress([]byte{byte(i >> 8), byte(i)})
		before, after, left := homeOf(t, account, two), homeOf(t, account, three), homeOf(t, account, three, "c")
		if after != before && after != "c" || left != before {
			t.Fatalf("%s moves from %s to %s, and then to %s", account, before, after, left)
		}
		count[before+after]++
	}
	for _, move := range []string{"aa", "bb", "ac", "bc"} {
		if n := count[move]; n < 400 || n > 1100 {
			t.Errorf("%s: %d of 3000", move, n)
		}
	}
}

func TestAHomeTakesWhatAnyBundlerIsSent(t *testing.T) {
	w, names := newWorld(t), []string{"a", "b"}
	a, b := w.start(empty(), "a", names, nil), w.start(empty(), "b", names, nil)
	joined(t, a, b)
	one, other := of(t, "a", names), of(t, "b", names)
	for _, at := range []*bundler{a, b} {
		at.mustSend(t, one)
		at.mustSend(t, other)
		if n, err := at.Peers.NextNonce(t.Context(), one); err != nil || n == 0 {
			t.Errorf("its next nonce: %d, %v", n, err)
		}
	}
	if a.keeps(one) != 2 || b.keeps(other) != 2 || len(a.kept) != 1 || len(b.kept) != 1 {
		t.Errorf("a keeps %v, b keeps %v", a.kept, b.kept)
	}
	b.refuses = &rollup.Refusal{Code: -32005, Message: "too many"}
	refusal := (*rollup.Refusal)(nil)
	if _, err := a.Peers.Send(t.Context(), other[:]); !errors.As(err, &refusal) || *refusal != (rollup.Refusal{Code: -32005, Message: "too many"}) {
		t.Errorf("what the home refuses: %v", err)
	}
	if _, err := a.Peers.Send(t.Context(), append(one[:], other[:]...)); !errors.Is(err, ErrApart) {
		t.Errorf("a transaction of both: %v", err)
	}
	w.stop("b")
	if _, err := a.Peers.Send(t.Context(), other[:]); !errors.Is(err, ErrAway) {
		t.Errorf("while its home is away: %v", err)
	}
	if a.mustSend(t, one); a.keeps(other) != 0 {
		t.Error("it was taken by another than its home")
	}
}

// A bundler that has not heard from all others may not know what they keep. After it has, it need not ask them at every start.
func TestABundlerTakesNothingBeforeAllHaveJoined(t *testing.T) {
	w, names := newWorld(t), []string{"a", "b"}
	a := w.start(empty(), "a", names, nil)
	one := of(t, "a", names)
	if _, err := a.Peers.Send(t.Context(), one[:]); !errors.Is(err, ErrJoining) {
		t.Fatalf("alone: %v", err)
	}
	w.start(empty(), "b", []string{"a", "b", "c"}, nil)
	if _, err := a.Peers.Send(t.Context(), one[:]); !errors.Is(err, ErrJoining) {
		t.Fatalf("beside one with another list: %v", err)
	}
	w.start(empty(), "b", names, nil)
	awaits(t, a.settled)
	w.stop("b")
	w.start(a, "a", names, nil).mustSend(t, one)
	w.start(a, "a", []string{"a", "b", "c"}, nil)
	if w.start(a, "a", names, nil); a.Unjoined() != 1 {
		t.Error("after another list, the others need not join again")
	}
}

// With another list an account has another home. It goes to the one that keeps transactions of it until that one has none.
func TestAnAccountMovesWhenNothingOfItWaits(t *testing.T) {
	for _, way := range []string{"send", "ask"} {
		w, two, three := newWorld(t), []string{"a", "b"}, []string{"a", "b", "c"}
		a, b, c := w.start(empty(), "a", two, nil), w.start(empty(), "b", two, nil), empty()
		joined(t, a, b)
		moves := of(t, "c", three, two...)
		keeper := map[string]*bundler{"a": a, "b": b}[homeOf(t, moves, two)]
		a.mustSend(t, moves)
		w.start(a, "a", three, nil)
		w.start(b, "b", three, nil)
		w.start(c, "c", three, nil)
		joined(t, a, b, c)
		for _, at := range []*bundler{a, b, c} {
			if at.mustSend(t, moves); c.keeps(moves) != 0 {
				t.Fatal("two keep transactions of it")
			}
		}
		if n, err := b.Peers.NextNonce(t.Context(), moves); n != 4 || err != nil || keeper.keeps(moves) != 4 {
			t.Fatalf("the next nonce is %d, %v, after %d", n, err, keeper.keeps(moves))
		}
		keeper.empty(moves, 77)
		if way == "ask" {
			if n, err := a.Peers.NextNonce(t.Context(), moves); n != 0 || err != nil {
				t.Fatalf("the next nonce is %d, %v", n, err)
			}
		}
		if a.mustSend(t, moves); c.keeps(moves) != 1 || keeper.keeps(moves) != 0 || c.LastOrdered() != 77 {
			t.Errorf("%s: c keeps %d and knows %d, the other %d", way, c.keeps(moves), c.LastOrdered(), keeper.keeps(moves))
		}
		awaits(t, func() bool { return c.Strays() == 0 && c.settled() })
	}
}

func TestATransactionIsFoundInAnyBundler(t *testing.T) {
	w, names := newWorld(t), []string{"a", "b"}
	a, b := w.start(empty(), "a", names, nil), w.start(empty(), "b", names, nil)
	joined(t, a, b)
	waiting, ended := common.Hash{1}, common.Hash{2}
	b.found[waiting] = bundling.Found{At: bundling.Queued, Reason: "waits for nonce 3 of its sender", Raw: []byte{7}}
	b.found[ended] = bundling.Found{At: bundling.Ended, Reason: "expired"}
	for hash, want := range maps.Clone(b.found) {
		found, err := a.Peers.Look(t.Context(), hash, true)
		if err != nil || fmt.Sprint(found) != fmt.Sprint(want) {
			t.Errorf("found %+v, %v", found, err)
		}
	}
	if reason, err := a.Peers.AwaitEnd(t.Context(), ended); reason != "expired" || err != nil {
		t.Errorf("%q, %v", reason, err)
	}
	if f, err := a.Peers.Look(t.Context(), common.Hash{3}, false); f.At != bundling.Elsewhere || err != nil {
		t.Errorf("one that is nowhere: %v, %v", f, err)
	}
	w.stop("b")
	if _, err := a.Peers.Look(t.Context(), waiting, false); !errors.Is(err, ErrAway) {
		t.Errorf("while one is away: %v", err)
	}
}

func TestATransactionIsFollowedInAnyBundler(t *testing.T) {
	w, names := newWorld(t), []string{"a", "b"}
	a, b := w.start(empty(), "a", names, nil), w.start(empty(), "b", names, nil)
	joined(t, a, b)
	hash := common.Hash{1}
	changes, forget := a.Peers.Watch(hash)
	at := func(want func(outbox.Standing) bool) {
		t.Helper()
		for late := time.After(10 * time.Second); ; {
			changed := changes()
			if want(a.Peers.Standing(hash)) {
				return
			}
			select {
			case <-changed:
			case <-late:
				t.Fatalf("it is %+v", a.Peers.Standing(hash))
			}
		}
	}
	for _, keeper := range []*bundler{a, b} {
		keeper.becomes(hash, bundling.Found{At: bundling.Queued})
		at(func(s outbox.Standing) bool { return s.Queued })
		keeper.becomes(hash, bundling.Found{At: bundling.Hidden, ID: common.Hash{7}})
		at(func(s outbox.Standing) bool { return s.ID == common.Hash{7} && !s.Queued })
		keeper.becomes(hash, bundling.Found{At: bundling.Ended, Reason: "expired"})
		at(func(s outbox.Standing) bool { return s.Ended && s.Reason == "expired" })
	}
	w.stop("b")
	a.becomes(hash, bundling.Found{At: bundling.Queued})
	at(func(s outbox.Standing) bool { return s.Queued })
	a.becomes(hash, bundling.Found{})
	w.start(empty(), "b", names, nil).becomes(hash, bundling.Found{At: bundling.Queued})
	at(func(s outbox.Standing) bool { return s.Queued })
	if forget(); len(a.watches.byHash) != 0 {
		t.Error("nobody watches, and it is followed")
	}
}

func TestABundlerThatIsOutOfReachIsNamed(t *testing.T) {
	w, names := newWorld(t), []string{"a", "b"}
	a := w.start(empty(), "a", names, nil)
	b := w.start(empty(), "b", names, nil)
	joined(t, a, b)
	checks := a.Reach()
	if len(checks) != 1 || checks[0].Part != "bundler b" {
		t.Fatalf("checks %v", checks)
	}
	if err := checks[0].Try(t.Context()); err != nil {
		t.Errorf("reached: %v", err)
	}
	w.stop("b")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := checks[0].Try(ctx); err == nil || !strings.Contains(err.Error(), "cannot reach bundler b") {
		t.Errorf("stopped: %v", err)
	}
}

func TestAListIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ peers, leaving []string }{
		"without a port":  {[]string{"a=a", "b=b:1"}, nil},
		"without a name":  {[]string{"a:1"}, nil},
		"twice":           {[]string{"a=a:1", "a=b:1"}, nil},
		"without oneself": {[]string{"b=b:1"}, nil},
		"all leave":       {[]string{"a=a:1"}, []string{"a"}},
		"a stranger":      {[]string{"a=a:1"}, []string{"x"}},
	} {
		if _, err := Parse(1, "a", c.peers, c.leaving); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func joined(t *testing.T, all ...*bundler) {
	t.Helper()
	for _, b := range all {
		awaits(t, func() bool { return b.Unjoined() == 0 })
	}
}

func awaits(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come about")
		}
	}
}
