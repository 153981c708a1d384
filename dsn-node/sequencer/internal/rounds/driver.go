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

// View is the only view of each number today.
const View = 0

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
	PhaseShares  = "shares"  // from the certificate to enough bare shares
	PhaseCombine = "combine" // combine, open and seal again
	PhaseProve   = "prove"   // from a failed opening to enough proven shares
	PhaseVerify  = "verify"  // of that, checking the proofs
	PhaseOpen    = "open"
)

// Phases returns all of them, in their order.
func Phases() []string {
	return []string{PhaseCheck, PhaseAttest, PhaseShares, PhaseCombine, PhaseProve, PhaseVerify, PhaseOpen}
}

// Observer learns what happens, for metrics. Its methods may be called from several goroutines.
type Observer interface {
	Called(authority uint8, call string, took time.Duration, err error)
	Reached(authority uint8, up bool, last uint64)
	Fault(authority uint8, kind string)
	Phase(name string, took time.Duration)
}

// Options of a Driver. All are needed.
type Options struct {
	Committee  *committee.Committee
	Key        *ecdsa.PrivateKey // of the sequencer: signs proposals
	Keyholders []Keyholder // by authority
	// Preblock returns what was decided for an earlier number of the committee.
	Preblock func(number uint64) (*preblockv1.Preblock, error)
	// Sealed returns the sealed transactions of an accepted content, checked.
	Sealed      func(*preblockv1.Content) ([]rules.Transaction, error)
	Cases       Cases
	Observer    Observer
	Waiting     func(reason string) // called with why rounds cannot continue, "" when they can
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
	round   *runningRound           // the newest; nil before the first
	wrong   round.Set               // those whose last shares were wrong, as far as that is known
	owing   map[uint8]*runningRound // those whose shares may have spoiled an opening, until they have proven them
	changed notify.Broadcast        // when what followers wait for changes
}

// NewDriver returns a driver; Run makes it work.
func NewDriver(o Options) (*Driver, error) {
	if len(o.Keyholders) != o.Committee.Size() {
		return nil, fmt.Errorf("run rounds: %d keyholders given, the committee has %d", len(o.Keyholders), o.Committee.Size())
	}
	d := &Driver{o: o, faults: newFaults(o), owing: map[uint8]*runningRound{}}
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

// Decide runs the round of a content and returns when it is decided or ctx ends.
func (d *Driver) Decide(ctx context.Context, c *preblockv1.Content) (*Decision, error) {
	previous, err := d.PayloadHash(c.GetNumber() - 1)
	if err != nil {
		return nil, fmt.Errorf("decide number %d: %w", c.GetNumber(), err)
	}
	sealed, err := d.o.Sealed(c)
	if err != nil {
		return nil, fmt.Errorf("decide number %d: %w", c.GetNumber(), err)
	}
	live, end := context.WithCancel(ctx)
	r := newRound(live, d, c, attest.StatementOf(d.o.Committee, c, previous), sealed)
	d.change(func() { d.round = r })
	decision, err := r.run(ctx)
	d.change(func() { r.over = true })
	end()
	if err != nil {
		return nil, fmt.Errorf("decide number %d: %w", c.GetNumber(), err)
	}
	return decision, nil
}

// PayloadHash is the hash of the statement for a decided number, zero before the committee's first.
func (d *Driver) PayloadHash(number uint64) (common.Hash, error) {
	if number < d.o.Committee.First {
		return common.Hash{}, nil
	}
	s, _, err := d.decided(number)
	if err != nil {
		return common.Hash{}, err
	}
	return s.Hash(), nil
}

// decided returns the statement and content of a number decided earlier, from the sequencer's own log.
func (d *Driver) decided(number uint64) (attest.Statement, *preblockv1.Preblock, error) {
	p, err := d.o.Preblock(number)
	if err != nil {
		return attest.Statement{}, nil, err
	}
	cert := p.GetCertificate()
	if len(cert.GetPreviousPayloadHash()) != 32 {
		return attest.Statement{}, nil, fmt.Errorf("preblock %d: %w", number, attest.ErrCertificate)
	}
	return attest.StatementOf(d.o.Committee, p.GetContent(), common.Hash(cert.GetPreviousPayloadHash())), p, nil
}

// task is a content to be attested, with the statement about it.
type task struct {
	statement attest.Statement
	content   *preblockv1.Content
}

// task returns what a keyholder is to attest for a number.
func (d *Driver) task(number uint64) (task, error) {
	if r := d.current(); r != nil && r.statement.Number == number {
		return task{r.statement, r.content}, nil
	}
	s, p, err := d.decided(number)
	if err != nil {
		return task{}, err
	}
	return task{s, p.GetContent()}, nil
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

// What a round wants of a keyholder.
type wanted int

const (
	nothingWanted wanted = iota
	attestationWanted
	sharesWanted
	proofsWanted
	debtWanted // proofs of a round that is over
)

// wanted returns the newest round, what it wants of a keyholder, and a channel that is closed when that may have changed.
func (d *Driver) wanted(by uint8) (*runningRound, wanted, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, debtor := d.round, d.owing[by]
	switch {
	case r != nil && !r.over && !r.brought.Has(by):
		return r, attestationWanted, d.changed.Changed()
	case debtor != nil:
		return debtor, debtWanted, d.changed.Changed()
	case r == nil || r.over:
		return r, nothingWanted, d.changed.Changed()
	case len(r.toProve) > 0 && !r.proved.Has(by):
		return r, proofsWanted, d.changed.Changed()
	case len(r.sealed) > 0 && len(r.toProve) == 0 && r.certificate != nil && !r.answered.Has(by):
		return r, sharesWanted, d.changed.Changed()
	}
	return r, nothingWanted, d.changed.Changed()
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
