package rounds

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"blindseq/dsn-node/sequencer/round"
	"blindseq/kit/notify"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"
)

// Keyholder is how one keyholder is reached.
type Keyholder struct {
	Name   string // for people: its address
	Client keyholderv1.KeyholderServiceClient
}

// Cases keeps evidence.
type Cases interface {
	Add(ctx context.Context, e *keyholderv1.Evidence) error
}

// Phases of a round whose time Observer.Phase gets: to the certificate and to the last outcome from the round's begin, the
// others each by itself.
const (
	PhaseCheck   = "check" // the rules, before the content is accepted; whoever accepts it measures this
	PhaseAttest  = "attest"
	PhaseLock    = "lock"    // from the certificate to the locks of a quorum
	PhaseShares  = "shares"  // from the locks to enough bare shares
	PhaseCombine = "combine" // combine, open and seal again
	PhaseProve   = "prove"   // from a failed opening to enough proven shares
	PhaseVerify  = "verify"  // of that, checking the proofs
	PhaseOpen    = "open"
)

// Phases returns all of them, in their order.
func Phases() []string {
	return []string{PhaseCheck, PhaseAttest, PhaseLock, PhaseShares, PhaseCombine, PhaseProve, PhaseVerify, PhaseOpen}
}

// Observer learns what happens, for metrics. Its methods may be called from several goroutines.
type Observer interface {
	Called(authority uint8, call string, took time.Duration, err error)
	Reached(authority uint8, up bool, last uint64)
	Behind(authority uint8, numbers uint64)
	Fault(authority uint8, kind string)
	Phase(name string, took time.Duration)
}

// Options of a Driver. All are needed.
type Options struct {
	Committee  *committee.Committee
	Key        *ecdsa.PrivateKey // of the sequencer: signs proposals
	Keyholders []Keyholder       // by authority
	// Preblock returns what was decided for an earlier number of the committee.
	Preblock func(number uint64) (*preblockv1.Preblock, error)
	// Sealed returns the sealed transactions of an accepted content, checked.
	Sealed      func(*preblockv1.Content) ([]rules.Transaction, error)
	Cases       Cases
	Observer    Observer
	Waiting     func(reason string) // called with why rounds cannot continue, "" when they can
	Away        func(text string)   // called with which keyholders are away or behind, and since when, "" for none; may be nil
	CallTimeout time.Duration
	MaxBackoff  time.Duration // between repeated calls to one keyholder
	Log         *slog.Logger
}

// Driver runs the rounds of one sequencer.
type Driver struct {
	o         Options
	followers []*follower
	faults    *faults

	mu      sync.Mutex
	round   *runningRound                     // the newest; nil before the first
	wrong   round.Set                         // those whose last shares were wrong, as far as that is known
	late    round.Set                         // those that let an opening wait for their shares, until they answer again
	owing   map[uint8]*runningRound           // those whose shares may have spoiled an opening, until they have proven them
	left    map[uint8]*keyholderv1.ViewChange // the last statement of each that it went to a higher view
	changed notify.Broadcast                  // when what followers wait for changes
	newest  *preblockv1.Final                 // what became final last, if it has sealed transactions
	finals  notify.Broadcast                  // when there is another
}

// NewDriver returns a driver; Run makes it work.
func NewDriver(o Options) (*Driver, error) {
	if len(o.Keyholders) != o.Committee.Size() {
		return nil, fmt.Errorf("run rounds: %d keyholders given, the committee has %d", len(o.Keyholders), o.Committee.Size())
	}
	d := &Driver{o: o, faults: newFaults(o), owing: map[uint8]*runningRound{}, left: map[uint8]*keyholderv1.ViewChange{}}
	for i, k := range o.Keyholders {
		d.followers = append(d.followers, newFollower(d, uint8(i), k))
	}
	return d, nil
}

// Run talks to the keyholders until ctx ends.
func (d *Driver) Run(ctx context.Context) error {
	var g errgroup.Group
	for _, f := range d.followers {
		g.Go(func() error { f.run(ctx); return nil })
	}
	g.Go(func() error { d.watch(ctx); return nil })
	return g.Wait()
}

// Decision is what a round adds to a content.
type Decision struct {
	Certificate *preblockv1.Certificate
	Outcomes    []*preblockv1.Outcome
}

// Decide runs the round of a content and returns when it is decided or ctx ends. When a quorum of keyholders has left the round's
// view, the round is run again in the view that they went to.
func (d *Driver) Decide(ctx context.Context, c *preblockv1.Content) (*Decision, error) {
	previous, err := d.before(c.GetNumber())
	if err != nil {
		return nil, fmt.Errorf("decide number %d: %w", c.GetNumber(), err)
	}
	for in := (view{}); ; {
		decision, next, err := d.decide(ctx, c, previous, in)
		if err != nil {
			return nil, fmt.Errorf("decide number %d: %w", c.GetNumber(), err)
		}
		if decision != nil {
			return decision, nil
		}
		in = *next
		d.o.Log.WarnContext(ctx, "a quorum of keyholders has left the view of a number; it is proposed again in a higher one",
			"number", c.GetNumber(), "view", in.number)
	}
}

// decide runs the round of a content in a view, until it is decided or there is a next view.
func (d *Driver) decide(ctx context.Context, c *preblockv1.Content, previous final, in view) (*Decision, *view, error) {
	live, end := context.WithCancel(ctx)
	defer end()
	r, err := newRound(live, d, c, previous, in)
	if err != nil {
		return nil, nil, err
	}
	d.change(func() { d.round = r })
	decision, next, err := r.run(ctx)
	d.change(func() { r.over = true })
	return decision, next, err
}

// PayloadHash is the hash of the statement for a decided number, zero before the committee's first.
func (d *Driver) PayloadHash(number uint64) (common.Hash, error) {
	if number < d.o.Committee.First {
		return common.Hash{}, nil
	}
	f, err := d.final(number)
	if err != nil {
		return common.Hash{}, err
	}
	return f.statement.Hash(), nil
}

// final is a content with the certificate that makes it final, and the statement it shows.
type final struct {
	statement   attest.Statement
	content     *preblockv1.Content
	certificate *preblockv1.Certificate
}

// before returns what is final for the number before one; its certificate is nil before the committee's first.
func (d *Driver) before(number uint64) (final, error) {
	if number <= d.o.Committee.First {
		return final{}, nil
	}
	return d.final(number - 1)
}

// hash is what the next statement follows.
func (f final) hash() common.Hash {
	if f.certificate == nil {
		return common.Hash{}
	}
	return f.statement.Hash()
}

// final returns what is final for a number, from the newest round or from the sequencer's own log.
func (d *Driver) final(number uint64) (final, error) {
	d.mu.Lock()
	if r := d.round; r != nil && r.final && r.statement.Number == number {
		defer d.mu.Unlock()
		return final{r.statement, r.content, r.certificate}, nil
	}
	d.mu.Unlock()
	p, err := d.o.Preblock(number)
	if err != nil {
		return final{}, err
	}
	cert := p.GetCertificate()
	if len(cert.GetPreviousPayloadHash()) != 32 {
		return final{}, fmt.Errorf("preblock %d: %w", number, attest.ErrCertificate)
	}
	return final{attest.StatementOf(d.o.Committee, p.GetContent(), common.Hash(cert.GetPreviousPayloadHash())), p.GetContent(), cert}, nil
}

func (d *Driver) current() *runningRound {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.round
}

// change changes something that followers wait for.
func (d *Driver) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
	d.changed.Notify()
}

// note changes something that no follower waits for.
func (d *Driver) note(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// What a round wants of a keyholder.
type wanted int

const (
	nothingWanted wanted = iota
	attestationWanted
	lockWanted
	adoptionWanted
	sharesWanted
	proofsWanted
	debtWanted // proofs of a round that is over
)

// wanted returns the newest round, what it wants of a keyholder, and a channel that is closed when that may have changed.
func (d *Driver) wanted(by uint8) (*runningRound, wanted, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, debtor := d.round, d.owing[by]
	want := r.wants(by)
	if debtor != nil && want != attestationWanted && want != lockWanted && want != adoptionWanted {
		return debtor, debtWanted, d.changed.Changed()
	}
	return r, want, d.changed.Changed()
}

// wrongAnswers is how often the keyholder's answer in a round was wrong.
func (d *Driver) wrongAnswers(r *runningRound, by uint8) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return r.wrong[by]
}

// distrust notes that a keyholder's shares were wrong.
func (d *Driver) distrust(by uint8) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wrong = d.wrong.With(by)
}

// trust notes that the shares of these were right.
func (d *Driver) trust(these round.Set) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wrong = d.wrong.Without(these)
}

// owes has these asked for the proofs of a round, one after the other and after all that is more urgent.
func (d *Driver) owes(r *runningRound, these round.Set) {
	d.change(func() {
		for _, by := range these.All() {
			d.wrong, d.owing[by] = d.wrong.With(by), r
		}
	})
}

// paid ends what a keyholder owes of a round.
func (d *Driver) paid(r *runningRound, by uint8) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.owing[by] == r {
		delete(d.owing, by)
	}
}

// distrusted are those to leave out of an opening first; nobody, when the others are too few in any case.
func (d *Driver) distrusted() round.Set {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.o.Committee.Size()-d.wrong.Len() < d.o.Committee.Keys.Threshold() {
		return round.Set{}
	}
	return d.wrong
}

// prompt are so many of these that let no opening wait when they were asked last; nobody, when they are too few.
func (d *Driver) prompt(these round.Set, n int) round.Set {
	d.mu.Lock()
	defer d.mu.Unlock()
	if these = these.Without(d.late); these.Len() < n {
		return round.Set{}
	}
	return these.First(n)
}
