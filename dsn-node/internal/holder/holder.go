// Package holder is one keyholder: it attests the order and opens what was ordered.
//
// It guarantees:
//   - It signs one content for a number, for ever, each after the one before; what it signs is durable before it says so,
//     also across a crash. Asked again it answers the same, asked for another it shows what it signed.
//   - It gives shares only for a content that it attested itself and that it is shown a quorum's certificate over, and of
//     each ciphertext only at the first place it has in the attested order: see package stoplist for why.
//   - A disk that fails ends Run: nothing is signed or given any more.
//
// It asks of callers: never to change a message they are given; and of the operator, that a key is used with one directory
// only. A keyholder whose directory was lost counts as faulty for what it attested before: it would sign those numbers again.
package holder

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"blindseq/dsn-node/attest"
	"blindseq/dsn-node/committee"
	"blindseq/dsn-node/internal/opening"
	"blindseq/dsn-node/internal/stoplist"
	"blindseq/dsn-node/te"
	"blindseq/kit/content"
	"blindseq/kit/wal"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

var (
	// ErrKeys says that the keys are not those of one member of the committee.
	ErrKeys = errors.New("keys are not of a member of the committee")
	// ErrOtherCommittee says that a request, or the directory, is of another committee.
	ErrOtherCommittee = errors.New("of another committee")
	// ErrNotAttested says that the number was not attested here yet.
	ErrNotAttested = errors.New("not attested yet")
	// ErrOtherOrder says that a certificate is over another content or predecessor than was attested here.
	ErrOtherOrder = errors.New("certificate is over another order than was attested here")
	// ErrNotHeld says that a number is before the committee's first.
	ErrNotHeld = errors.New("before the committee's first number")
	// ErrStorage says that the log of attestations could not be written or read.
	ErrStorage = errors.New("log of attestations failed")
)

// Options of a Holder.
type Options struct {
	Dir       string
	Committee *committee.Committee
	Key       *ecdsa.PrivateKey
	Share     *te.KeyShare
	OnAppend  func(time.Duration) // told how long each write and fsync took; may be nil
	FS        wal.FS              // of the log; the operating system's when nil
	Log       *slog.Logger
}

// Holder is one keyholder. Its methods may be called from any goroutine.
type Holder struct {
	o       Options
	store   *store
	planner *opening.Planner
	failed  chan error    // holds the first failure
	planned chan struct{} // wakes Run when there is something to plan

	mu   sync.Mutex // held for a whole attestation
	last *record    // nil before the first

	releasing chan struct{} // a token: shares are made for one request at a time
	released  *keyholderv1.SignedShares
}

// Open opens the directory of a keyholder and checks that its keys and its log belong to the committee.
func Open(ctx context.Context, o Options) (*Holder, error) {
	if err := checkKeys(o); err != nil {
		return nil, fmt.Errorf("open keyholder: %w", err)
	}
	s, err := openStore(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open keyholder: %w", err)
	}
	list, err := stoplist.Open(filepath.Join(o.Dir, "ciphertexts"), o.Committee.First)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open keyholder: %w", err), s.close())
	}
	h := &Holder{
		o: o, store: s, failed: make(chan error, 1), planned: make(chan struct{}, 1), releasing: make(chan struct{}, 1),
	}
	h.planner = opening.New(list, h.content)
	if last := s.last(); last > 0 {
		if h.last, err = s.read(last); err != nil {
			return nil, errors.Join(fmt.Errorf("open keyholder: %w", err), h.Close())
		}
	}
	return h, nil
}

func checkKeys(o Options) error {
	authority := o.Share.Authority()
	if want, ok := o.Committee.Address(uint32(authority)); !ok || want != crypto.PubkeyToAddress(o.Key.PublicKey) {
		return fmt.Errorf("%w: authority %d signs with another key", ErrKeys, authority)
	}
	public, err := o.Committee.Keys.Share(authority)
	if err != nil || public.G1() != o.Share.Public().G1() {
		return fmt.Errorf("%w: authority %d has another share", ErrKeys, authority)
	}
	return nil
}

// Close lets go of the directory. Run does it too; Close is for a Holder that is never run.
func (h *Holder) Close() error { return errors.Join(h.planner.Close(), h.store.close()) }

// Run plans each content as it was attested, so that the shares are made sooner when its certificate comes. It returns
// when ctx ends, or with the error of a failed disk, and closes everything.
func (h *Holder) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return h.Close()
		case err := <-h.failed:
			return errors.Join(err, h.Close())
		case <-h.planned:
			if _, err := h.planner.Plan(ctx, h.lastContent()); err != nil && ctx.Err() == nil {
				return errors.Join(err, h.Close())
			}
		}
	}
}

func (h *Holder) lastContent() *preblockv1.Content {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last.content
}

// Status says how far a keyholder attested.
type Status struct {
	Authority uint8
	Address   common.Address
	Committee common.Hash
	Last      uint64 // 0 before the first
	Payload   common.Hash
}

// Status never fails.
func (h *Holder) Status() Status {
	s := Status{Authority: h.o.Share.Authority(), Address: crypto.PubkeyToAddress(h.o.Key.PublicKey), Committee: h.o.Committee.Hash()}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last != nil {
		s.Last, s.Payload = h.last.statement.Number, h.last.statement.Hash()
	}
	return s
}

// Answer is what was attested for a number.
type Answer struct {
	Attested *keyholderv1.Attested // nil when nothing was attested yet
	Refusal  keyholderv1.AttestRefusal
}

// Attest signs the place of a content after the statement with the hash previous, or says what was signed instead.
func (h *Holder) Attest(ctx context.Context, c *preblockv1.Content, previous common.Hash) (Answer, error) {
	if err := content.Check(c); err != nil {
		return Answer{}, fmt.Errorf("attest number %d: %w", c.GetNumber(), err)
	}
	s := attest.StatementOf(h.o.Committee, c, previous)
	h.mu.Lock()
	defer h.mu.Unlock()
	a, err := h.attest(ctx, s, c)
	if err != nil {
		return Answer{}, fmt.Errorf("attest number %d: %w", s.Number, err)
	}
	return a, nil
}

func (h *Holder) attest(ctx context.Context, s attest.Statement, c *preblockv1.Content) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, err // nobody waits for the answer any more
	}
	if s.Number >= h.o.Committee.First && s.Number <= h.store.last() {
		r, err := h.store.read(s.Number)
		if err != nil {
			return Answer{}, err
		}
		return Answer{Attested: r.attested, Refusal: Again(r.statement, s)}, nil
	}
	if refusal := Follow(h.position(), s); refusal != attested {
		a := Answer{Refusal: refusal}
		if h.last != nil {
			a.Attested = h.last.attested
		}
		return a, nil
	}
	signed, err := s.Sign(h.o.Key, h.o.Share.Authority())
	if err != nil {
		return Answer{}, err
	}
	r := &record{statement: s, attested: signed, content: c}
	if err := h.store.append(r); err != nil {
		h.fail(err)
		return Answer{}, err
	}
	h.last = r
	if opening.HasBundles(c) {
		select {
		case h.planned <- struct{}{}:
		default:
		}
	}
	h.o.Log.DebugContext(ctx, "attested", "number", s.Number, "content", common.Hash(signed.GetContentHash()))
	return Answer{Attested: signed}, nil
}

// position is where the next statement has to stand.
func (h *Holder) position() Position {
	if h.last == nil {
		return Position{Next: h.o.Committee.First}
	}
	return Position{Next: h.last.statement.Number + 1, Previous: h.last.statement.Hash()}
}

// Attested returns what was attested for a number, ErrNotAttested after the last.
func (h *Holder) Attested(number uint64) (*keyholderv1.GetAttestedResponse, error) {
	if number < h.o.Committee.First {
		return nil, fmt.Errorf("read attestation %d: %w: %d", number, ErrNotHeld, h.o.Committee.First)
	}
	if number > h.store.last() {
		return nil, fmt.Errorf("read attestation %d: %w", number, ErrNotAttested)
	}
	r, err := h.store.read(number)
	if err != nil {
		return nil, err
	}
	return &keyholderv1.GetAttestedResponse{Attested: r.attested, Content: r.content}, nil
}

// content is the planner's source.
func (h *Holder) content(number uint64) (*preblockv1.Content, error) {
	r, err := h.store.read(number)
	if err != nil {
		return nil, err
	}
	return r.content, nil
}

// fail ends Run. Only the first failure is kept: the others follow from it.
func (h *Holder) fail(err error) {
	select {
	case h.failed <- err:
	default:
	}
}
