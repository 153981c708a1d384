package bundling

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// absent is a leader and an observer that answer nothing until a time.
type absent struct {
	Leader
	until time.Time
}

func (a absent) ChainID(context.Context) (uint64, error) {
	if time.Now().Before(a.until) {
		return 0, errors.New("not there")
	}
	return 1337, nil
}

// watched is the same as an observer.
type watched struct{ absent }

func (watched) Tip(context.Context) (rollup.Tip, error) { return rollup.Tip{}, nil }
func (watched) Sender(context.Context, rollup.Question) (rollup.Sender, error) {
	return rollup.Sender{}, nil
}
func (watched) NextNonce(context.Context, common.Address) (head, nonce uint64, err error) {
	return 0, 0, nil
}
func (watched) Look(context.Context, []rollup.Query) ([]rollup.State, error) { return nil, nil }

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestARollupThatStartsIsNoticedWithinASecond(t *testing.T) {
	box, err := outbox.Open(t.TempDir(), 1, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close() // empty
	by := committeetest.New(t, 1, 1, 1).Committee
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		there := time.Now().Add(1100 * time.Millisecond)
		reasons := make(chan string, 100)
		node := absent{until: there}
		w := NewWatcher(Options{Committee: by, Box: box, Leader: node, Observer: watched{node}}, nil, Health{func(string) {}, func(reason string) { reasons <- reason }})
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		for reason := range reasons {
			if reason == "" {
				break
			}
		}
		if late := time.Since(there); late > time.Second {
			t.Errorf("noticed %s after it was there", late)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// leader is a leader that has what it was handed, in the order of seqs, until it forgets.
type leader struct {
	taker
	t    *testing.T
	away int    // it does not take so many after the first
	from uint64 // seq after what was ordered
	pool map[uint64]*seal.Sealed
	ends map[common.Hash]rollup.Status
	had  map[common.Hash]bool
	lies map[common.Hash]rollup.Status // what the leader says of what the observer knows nothing about
}

func (l *leader) NextSeq(context.Context, common.Address) (uint64, error) {
	next := l.from
	for l.pool[next] != nil {
		next++
	}
	return next, nil
}

func (l *leader) Submit(_ context.Context, raw []byte) error {
	if l.away > 0 && len(l.sealed) == 1 {
		l.away--
		return rollup.ErrAway
	}
	s, err := seal.Parse(raw)
	if err != nil {
		l.t.Fatal(err)
	}
	if s.Seq < l.from || l.pool[s.Seq] != nil || s.Expiry <= l.head {
		return &rollup.Refusal{Code: -32000, Message: "no"}
	}
	l.pool[s.Seq] = s
	l.sealed = append(l.sealed, raw)
	return nil
}

func (l *leader) Statuses(_ context.Context, ids []common.Hash) ([]rollup.Status, error) {
	out := make([]rollup.Status, len(ids))
	for i, id := range ids {
		out[i] = rollup.Status{Name: "unknown"}
		for _, s := range l.pool {
			if common.Hash(s.ID()) == id {
				out[i].Name = "sealed"
			}
		}
		if end, ok := l.ends[id]; ok {
			out[i] = end
		}
		if lie, ok := l.lies[id]; ok {
			out[i] = lie
		}
	}
	return out, nil
}

// own is the observer of the leader's chain.
type own struct{ *leader }

func (o own) Tip(ctx context.Context) (rollup.Tip, error) { return o.observer.Tip(ctx) }
func (o own) Sender(ctx context.Context, q rollup.Question) (rollup.Sender, error) {
	return o.observer.Sender(ctx, q)
}

func (o own) Statuses(_ context.Context, ids []common.Hash) ([]rollup.Status, error) {
	out := make([]rollup.Status, len(ids))
	for i, id := range ids {
		out[i] = o.ends[id]
	}
	return out, nil
}

func (o own) Look(_ context.Context, queries []rollup.Query) ([]rollup.State, error) {
	states := make([]rollup.State, len(queries))
	for i, q := range queries {
		states[i] = rollup.State{Nonce: o.nonce, Included: o.had[q.Hash]}
	}
	return states, nil
}

// order puts what the pool has into a block, from the next seq on.
func (l *leader) order(count int, name string) {
	l.t.Helper()
	l.head++
	for range count {
		s := l.pool[l.from]
		if s == nil {
			l.t.Fatalf("the pool has no seq %d", l.from)
		}
		l.ends[common.Hash(s.ID())] = rollup.Status{Name: name, Number: l.head, Reason: "as the test says"}
		delete(l.pool, l.from)
		l.from++
	}
}

type ends struct {
	noFigures
	results []string
}

func (e *ends) Ended(result string, _ time.Duration) { e.results = append(e.results, result) }

// follower is a watcher and an intake over a leader.
type follower struct {
	*Watcher
	counter
	leader *leader
	ends   *ends
	now    time.Time
}

func following(t *testing.T) *follower {
	t.Helper()
	f := &follower{
		leader: &leader{t: t, taker: taker{observer: observer{head: 5}}, pool: map[uint64]*seal.Sealed{}, ends: map[common.Hash]rollup.Status{}, had: map[common.Hash]bool{}},
		ends:   &ends{}, now: time.Now(),
	}
	key := newKey(t)
	box, err := outbox.Open(t.TempDir(), 100, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { box.Close() }) // a test's
	o := Options{
		Committee: committeetest.NewWith(t, 1, 1, 1, committee.Limits{Lifetime: 100}).Committee, Key: key, Box: box, Leader: f.leader, Observer: own{f.leader},
		AcceptTimeout: time.Minute, MaxAge: time.Hour, Recorder: f.ends, Log: hashedLog(t),
	}
	intake := NewIntake(o)
	f.Watcher = NewWatcher(o, intake.Pool(), Health{func(string) {}, func(string) {}})
	f.counter = counter{Intake: intake, t: t, box: box, rollup: &f.leader.taker, key: key}
	return f
}

// polls lets time pass, long enough for a look at everything.
func (f *follower) polls(times int) {
	f.t.Helper()
	for range times {
		f.now = f.now.Add(time.Minute)
		if err := errors.Join(f.repair(f.t.Context()), f.round(f.t.Context(), f.now), f.lookQueued(f.t.Context(), f.now)); err != nil {
			f.t.Fatal(err)
		}
	}
}

func TestWhatTheLeaderLostIsHandedInAgainInOrder(t *testing.T) {
	f := following(t)
	for nonce := range uint64(5) {
		f.send(nonce)
	}
	handed := slices.Clone(f.leader.sealed)
	f.leader.order(2, "executed")
	clear(f.leader.pool)
	f.polls(2)
	if again := f.leader.sealed[5:]; len(again) != 3 || !bytes.Equal(again[0], handed[2]) || !bytes.Equal(again[1], handed[3]) || !bytes.Equal(again[2], handed[4]) {
		t.Fatalf("%d were handed in again", len(again))
	}
	if !slices.Equal(f.ends.results, []string{Included, Included}) || f.box.Len() != 3 {
		t.Fatalf("ended %v, %d wait", f.ends.results, f.box.Len())
	}
}

func TestNothingPassesATransactionThatIsNotTaken(t *testing.T) {
	f := following(t)
	for nonce := range uint64(3) {
		f.send(nonce)
	}
	clear(f.leader.pool)
	f.leader.sealed, f.leader.away = nil, 1
	f.polls(4) // away after the first, so that the second is not passed by
	if got := f.seqs(); !slices.Equal(got, []uint64{0, 1, 2}) {
		t.Fatalf("handed in again %v", got)
	}
}

func TestAnExpiredTransactionIsSealedAnewUnderItsSeq(t *testing.T) {
	f := following(t)
	f.send(0)
	f.send(1)
	f.leader.head += 100
	clear(f.leader.pool)
	f.polls(3)
	if got := f.seqs(); !slices.Equal(got, []uint64{0, 1, 0, 1}) || bytes.Equal(f.leader.sealed[0], f.leader.sealed[2]) {
		t.Fatalf("handed in %v", got)
	}
	if expiry := f.leader.pool[1].Expiry; expiry != 205 {
		t.Fatalf("expiry %d", expiry)
	}
	f.leader.order(2, "executed")
	f.polls(1)
	if f.box.Len() != 0 {
		t.Fatalf("%d wait", f.box.Len())
	}
}

func TestAnExpiredTransactionWhoseNonceWasUsedIsNotSealedAgain(t *testing.T) {
	f := following(t)
	f.send(0)
	f.leader.head += 100
	clear(f.leader.pool)
	f.leader.nonce = 1 // by a transaction that was sent without the bundler
	f.polls(4)
	if len(f.leader.sealed) != 1 || f.box.Len() != 0 || !slices.Equal(f.ends.results, []string{Replaced}) {
		t.Fatalf("sealed %d times, %d wait, ended %v", len(f.leader.sealed), f.box.Len(), f.ends.results)
	}
}

func TestASequenceThatBeganAgainIsFollowed(t *testing.T) {
	f := following(t)
	f.leader.from = 57
	for nonce := range uint64(3) {
		f.send(nonce)
	}
	clear(f.leader.pool)
	f.leader.from, f.leader.head = 0, 200 // nothing was ordered for the lifetime
	f.polls(4)
	if f.leader.order(3, "executed"); f.leader.from != 3 {
		t.Fatalf("next seq %d", f.leader.from)
	}
	f.polls(1)
	if f.box.Len() != 0 || f.box.NextSeq() != 3 {
		t.Fatalf("%d wait, next seq %d", f.box.Len(), f.box.NextSeq())
	}
}

func TestAGapIsFilledWithTheNextTransaction(t *testing.T) {
	f := following(t)
	for nonce := range uint64(4) {
		f.send(nonce)
	}
	lost := f.tx(1).Hash()
	delete(f.leader.pool, 1)
	if err := f.box.Remove(lost); err != nil { // given up
		t.Fatal(err)
	}
	f.polls(2)
	f.leader.order(4, "executed") // the third stands there twice
	f.polls(2)
	if f.box.Len() != 0 || !slices.Equal(f.seqs(), []uint64{0, 1, 2, 3, 1}) {
		t.Fatalf("%d wait, handed in %v", f.box.Len(), f.seqs())
	}
}

func TestATransactionWhoseSeqWasUsedGetsAnother(t *testing.T) {
	f := following(t)
	f.send(0)
	clear(f.leader.pool)
	f.leader.from = 3 // others were ordered that were sealed with this key
	f.polls(2)
	if got := f.seqs(); !slices.Equal(got, []uint64{0, 3}) {
		t.Fatalf("handed in %v", got)
	}
}

func TestHowTransactionsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(f *follower)
		want    string
	}{
		"executed":                       {func(f *follower) { f.leader.order(1, "executed") }, Included},
		"ended":                          {func(f *follower) { f.leader.order(1, "ended") }, Skipped},
		"unopenable":                     {func(f *follower) { f.leader.order(1, "unopenable") }, Skipped},
		"ended, and executed by another": {func(f *follower) { f.leader.order(1, "ended"); f.leader.nonce, f.leader.had[f.tx(0).Hash()] = 1, true }, Included},
		"ended, its nonce used":          {func(f *follower) { f.leader.order(1, "ended"); f.leader.nonce = 1 }, Replaced},
		"lost and its nonce used":        {func(f *follower) { clear(f.leader.pool); f.polls(2); f.leader.order(1, "ended"); f.leader.nonce = 1 }, Replaced},
		"too old":                        {func(f *follower) { f.Watcher.o.MaxAge = -time.Second }, Expired},
	} {
		f := following(t)
		f.send(0)
		c.happens(f)
		f.polls(3)
		if f.box.Len() != 0 || !slices.Equal(f.ends.results, []string{c.want}) {
			t.Errorf("%s: %v, %d wait", name, f.ends.results, f.box.Len())
		}
	}
}

func TestATransactionIsHiddenUntilItsPlaceIsFixed(t *testing.T) {
	f := following(t)
	f.send(0)
	hash := f.tx(0).Hash()
	if _, at, err := f.Find(t.Context(), hash); at != Hidden || err != nil {
		t.Errorf("waiting: %d, %v", at, err)
	}
	f.leader.order(1, "opened")
	if _, at, err := f.Find(t.Context(), hash); at != Public || err != nil {
		t.Errorf("opened: %d, %v", at, err)
	}
	if _, at, err := f.Find(t.Context(), common.Hash{1}); at != Elsewhere || err != nil {
		t.Errorf("another: %d, %v", at, err)
	}
}

func TestALeaderThatSaysAPlaceIsFixedEndsNothingAndLearnsNothing(t *testing.T) {
	f := following(t)
	f.send(0)
	s, err := seal.Parse(f.leader.sealed[0])
	if err != nil {
		t.Fatal(err)
	}
	hash := f.tx(0).Hash()
	for _, name := range []string{"ordered", "opened", "executed", "ended"} {
		f.leader.lies = map[common.Hash]rollup.Status{common.Hash(s.ID()): {Name: name, Number: 6}}
		f.polls(2)
		if _, at, err := f.Find(t.Context(), hash); at != Hidden || err != nil || f.box.Len() != 1 || len(f.ends.results) != 0 {
			t.Errorf("the leader says %s: it is at %d, %v, ended %v", name, at, err, f.ends.results)
		}
	}
}
