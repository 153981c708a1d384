// Package voter is one keyholder: it attests the order, locks what a quorum attested, and opens what a quorum locked.
//
// It guarantees:
//   - It attests one content for a number and view, for ever, after the number before is final, and only what the owner of the view
//     proposed. It locks a content whose certificate it was shown, also when it attested another one. What it signs is durable
//     before it says so, also across a crash. Asked again it answers the same, asked for another it shows what it signed.
//   - It leaves a view of a number when it is asked to, or when a quorum has left it, and then attests and locks nothing there. In
//     a higher view it attests only what the statements of a quorum allow (attest.Opens).
//   - What a final certificate shows to be decided for a number, it follows, also when it attested something else for that
//     number: it adopts that, and attests what comes after it. It still attests no second content for the number.
//   - It attests, locks and adopts no content that breaks a rule: it checks each against the contents before, which it knows.
//   - It gives shares only for a content that it holds and that it is shown as final: with attestations and locks of a quorum.
//     A request names places in that content. What stands there comes from the keyholder's own log, never from the request,
//     so nobody can have anything opened that has no place in the order.
//   - Without votes it signs nothing until its peers have reported how far the order is certified, and then only for later numbers:
//     what it may have signed before its directory was lost, it does not contradict.
//   - A disk that fails ends Run: nothing is signed or given any more.
//
// It asks of callers: never to change a message they are given; and of the operator, that a key is used with one directory
// only, and that a directory is never replaced by an older copy of it: an empty one is safe, an old one is not.
package voter

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"blindseq/dsn-node/internal/ordered"
	"blindseq/dsn-node/keyholder/vote"
	"blindseq/kit/wal"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

var (
	// ErrKeys says that the keys are not those of one member of the committee.
	ErrKeys = errors.New("keys are not of a member of the committee")
	// ErrOtherCommittee says that a request, or the directory, is of another committee.
	ErrOtherCommittee = errors.New("of another committee")
	// ErrContentMissing says that the content of a certificate is needed, because another one was attested here.
	ErrContentMissing = errors.New("the certified content is not held, send it too")
	// ErrBeforeFirst says that a number is before the committee's first.
	ErrBeforeFirst = errors.New("before the committee's first number")
	// ErrStorage says that the log of votes could not be written or read.
	ErrStorage = errors.New("log of votes failed")
	// ErrIndex says that a request names a place without a sealed transaction.
	ErrIndex = errors.New("indexes must ascend and be those of sealed transactions")
	// ErrClosed says that the keyholder is stopping.
	ErrClosed = errors.New("keyholder is closed")
)

// Steps of a content with sealed transactions.
const (
	StepCheck  = "check"  // check the rules, before the content is attested
	StepShares = "shares" // make bare shares
	StepProve  = "prove"  // make shares with proof
)

// Options of a Voter.
type Options struct {
	Dir       string
	Committee *committee.Committee
	Key       *ecdsa.PrivateKey
	Share     *seal.Secret
	OnAppend  func(time.Duration)                   // called with the time of each write and fsync; may be nil
	OnStep    func(step string, took time.Duration) // called with the time of each step of a content with sealed transactions; may be nil
	Now       func() time.Time                      // time.Now when nil
	FS        wal.FS                                // of the logs; the operating system's when nil
	Log       *slog.Logger
}

// Voter is one keyholder. Its methods may be called from any goroutine.
type Voter struct {
	o      Options
	store  *store
	failed chan error // holds the first failure

	mu        sync.Mutex              // held for a whole vote
	order     *ordered.Order          // ends with last
	last      *held                   // nil before the first
	left      *keyholderv1.ViewChange // the last one; nil when no view was ever left
	signsFrom uint64                  // 0 while not restored
	challenge common.Hash             // while not restored
	closed    bool

	releasing chan struct{} // a token: shares are made for one request at a time
	released  *keyholderv1.SignedShares
}

// Open opens the directory of a keyholder and checks that its keys and its logs belong to the committee.
func Open(ctx context.Context, o Options) (*Voter, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := checkKeys(o); err != nil {
		return nil, fmt.Errorf("open keyholder: %w", err)
	}
	s, err := openStore(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open keyholder: %w", err)
	}
	h := &Voter{
		o: o, store: s, failed: make(chan error, 1), order: ordered.New(o.Committee), releasing: make(chan struct{}, 1),
	}
	if err := h.resume(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open keyholder: %w", err), h.Close())
	}
	return h, nil
}

// resume reads where the keyholder stopped, and the order up to there.
func (h *Voter) resume(ctx context.Context) (err error) {
	if h.left, err = h.store.loadViews(); err != nil {
		return err
	}
	last := h.store.last()
	if last > 0 {
		if h.last, err = h.store.verified(last); err != nil {
			return err
		}
	}
	if h.signsFrom, err = h.store.resume(); err != nil {
		return err
	}
	if h.signsFrom == 0 {
		if _, err := rand.Read(h.challenge[:]); err != nil {
			return err
		}
		h.o.Log.InfoContext(ctx, "keyholder has no votes and signs nothing until its peers have reported", "authority", h.o.Share.Authority())
	}
	return h.order.Restore(ctx, last, h.store.followed)
}

func checkKeys(o Options) error {
	authority := o.Share.Authority()
	if want, ok := o.Committee.Address(uint32(authority)); !ok || want != crypto.PubkeyToAddress(o.Key.PublicKey) {
		return fmt.Errorf("%w: authority %d signs with another key", ErrKeys, authority)
	}
	if err := o.Share.BelongsTo(o.Committee.Keys); err != nil {
		return fmt.Errorf("%w: %w", ErrKeys, err)
	}
	return nil
}

// Close releases the directory. Run does it too; Close is for a Voter that never runs.
func (h *Voter) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	return h.store.close()
}

// Run returns when ctx ends, or with the error of a failed disk, and closes everything.
func (h *Voter) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return h.Close()
	case err := <-h.failed:
		return errors.Join(err, h.Close())
	}
}

// Committee is the hash of the keyholder's committee.
func (h *Voter) Committee() common.Hash { return h.o.Committee.Hash() }

// Status says how far a keyholder is.
type Status struct {
	Authority uint8
	Address   common.Address
	Committee common.Hash
	Last      uint64 // number attested or adopted, 0 before the first
	Payload   common.Hash
	SignsFrom uint64                  // 0 while not restored
	Challenge *common.Hash            // nil once restored
	Left      *keyholderv1.ViewChange // the last one, nil when no view was ever left
}

// Status never fails.
func (h *Voter) Status() Status {
	s := Status{Authority: h.o.Share.Authority(), Address: crypto.PubkeyToAddress(h.o.Key.PublicKey), Committee: h.o.Committee.Hash()}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last != nil {
		s.Last, s.Payload = h.position().Number(), h.position().Hash()
	}
	s.Left = h.left
	if s.SignsFrom = h.signsFrom; s.SignsFrom == 0 {
		challenge := h.challenge
		s.Challenge = &challenge
	}
	return s
}

// enter takes the lock for a vote, unless nobody waits for the answer any more or the keyholder is stopping.
func (h *Voter) enter(ctx context.Context) (leave func(), err error) {
	h.mu.Lock()
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case h.closed:
		err = ErrClosed
	default:
		return h.mu.Unlock, nil
	}
	h.mu.Unlock()
	return nil, err
}

// position is where the keyholder is. The caller holds mu.
func (h *Voter) position() vote.Position {
	p := vote.Position{First: h.o.Committee.First, SignsFrom: h.signsFrom, Left: vote.Left{Number: h.left.GetNumber(), View: h.left.GetView()}}
	if h.last != nil {
		p.Last = h.last.Held
	}
	return p
}

// holds is what is held for a number, an empty one for nothing. The caller holds mu.
func (h *Voter) holds(number uint64) (*held, error) {
	switch last := h.position().Number(); {
	case number > last || number < h.o.Committee.First:
		return new(held), nil
	case number == last:
		return h.last, nil
	}
	r, err := h.store.read(number)
	if err != nil {
		return nil, err
	}
	r.Final = true
	return r, nil
}

// Attested returns what is held for a number, vote.ErrNotHeld after the last.
func (h *Voter) Attested(number uint64) (*keyholderv1.GetAttestedResponse, error) {
	if number < h.o.Committee.First {
		return nil, fmt.Errorf("read attestation %d: %w: %d", number, ErrBeforeFirst, h.o.Committee.First)
	}
	h.mu.Lock()
	last, r := h.position().Number(), h.last
	h.mu.Unlock()
	if number > last {
		return nil, fmt.Errorf("read attestation %d: %w", number, vote.ErrNotHeld)
	}
	if number < last {
		var err error
		if r, err = h.store.read(number); err != nil {
			return nil, err
		}
	}
	return r.message(), nil
}

// ours checks that a certificate is of this keyholder's committee, as far as it says. What it shows is verified later.
func (h *Voter) ours(cert *preblockv1.Certificate) error {
	ours := h.o.Committee.Hash()
	if b := cert.GetCommitteeHash(); len(b) == 32 && !bytes.Equal(b, ours[:]) {
		return ErrOtherCommittee
	}
	return nil
}

func (h *Voter) took(step string, d time.Duration) {
	if h.o.OnStep != nil {
		h.o.OnStep(step, d)
	}
}

// failing ends Run when err is one of the disk.
func (h *Voter) failing(err error) error {
	if errors.Is(err, ErrStorage) {
		h.fail(err)
	}
	return err
}

// fail ends Run. Only the first failure is kept: the others follow from it.
func (h *Voter) fail(err error) {
	select {
	case h.failed <- err:
	default:
	}
}
