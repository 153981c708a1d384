// Package voter is one keyholder: it attests the order and opens what was ordered.
//
// It guarantees:
//   - It signs one content for a number, for ever, each after the one before; what it signs is durable before it says so,
//     also across a crash. Asked again it answers the same, asked for another it shows what it signed.
//   - What a quorum's certificate shows to be decided for a number, it follows, also when it attested something else for that
//     number: it adopts that, and attests what comes after it. It still signs no second content for the number.
//   - It attests and adopts no content that breaks a rule: it checks each against the contents before, which it knows.
//   - It gives shares only for a content that it attested or adopted itself and that it is shown a quorum's certificate over.
//     A request names places in that content. What stands there comes from the keyholder's own log, never from the request,
//     so nobody can have anything opened that has no place in the order.
//   - A disk that fails ends Run: nothing is signed or given any more.
//
// It asks of callers: never to change a message they are given; and of the operator, that a key is used with one directory
// only. A keyholder whose directory was lost counts as faulty for what it attested before: it would sign those numbers again.
package voter

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"blindseq/dsn-node/internal/ordered"
	"blindseq/dsn-node/keyholder/vote"
	"blindseq/kit/content"
	"blindseq/kit/wal"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/committee"

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
	FS        wal.FS                                // of the log; the operating system's when nil
	Log       *slog.Logger
}

// Voter is one keyholder. Its methods may be called from any goroutine.
type Voter struct {
	o      Options
	store  *store
	failed chan error // holds the first failure

	mu        sync.Mutex     // held for a whole attestation
	order     *ordered.Order // ends with the last number attested, or with the last adopted while what follows is void
	last      *record        // nil before the first
	adoptions *adoptions
	closed    bool
	void      bool // what was attested after the last adoption does not follow it

	releasing chan struct{} // a token: shares are made for one request at a time
	released  *keyholderv1.SignedShares
}

// Open opens the directory of a keyholder and checks that its keys and its log belong to the committee.
func Open(ctx context.Context, o Options) (*Voter, error) {
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
	if last := h.store.last(); last > 0 {
		if h.last, err = h.store.read(last); err != nil {
			return err
		}
	}
	if h.adoptions, err = openAdoptions(ctx, h.o); err != nil {
		return err
	}
	if err := h.resumeAdoptions(); err != nil {
		return err
	}
	last := h.store.last()
	if h.void {
		last = h.adoptions.last()
	}
	return h.order.Restore(ctx, last, h.followed)
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
	return errors.Join(h.store.close(), h.adoptions.close())
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

// Status says how far a keyholder attested.
type Status struct {
	Authority uint8
	Address   common.Address
	Committee common.Hash
	Last      uint64 // 0 before the first
	Payload   common.Hash
}

// Status never fails.
func (h *Voter) Status() Status {
	s := Status{Authority: h.o.Share.Authority(), Address: crypto.PubkeyToAddress(h.o.Key.PublicKey), Committee: h.o.Committee.Hash()}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last != nil {
		s.Last, s.Payload = h.last.statement.Number, h.position().Previous
	}
	return s
}

// Answer is what was attested for a number.
type Answer struct {
	Attested *keyholderv1.Attested // nil when nothing was attested yet
	Refusal  keyholderv1.AttestRefusal
	// Certificate is the one over what was asked, when that was adopted.
	Certificate *preblockv1.Certificate
}

// Attest signs the place of a content after the statement with the hash previous, or says what was signed instead. A content
// that breaks a rule is refused with rules.ErrContent, and nothing is signed.
func (h *Voter) Attest(ctx context.Context, c *preblockv1.Content, previous common.Hash) (Answer, error) {
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

func (h *Voter) attest(ctx context.Context, s attest.Statement, c *preblockv1.Content) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, err // nobody waits for the answer any more
	}
	if h.closed {
		return Answer{}, ErrClosed
	}
	if s.Number >= h.o.Committee.First && s.Number <= h.store.last() {
		return h.again(s)
	}
	if refusal := vote.Follow(h.position(), s); refusal != vote.Granted {
		a := Answer{Refusal: refusal}
		if h.last != nil {
			a.Attested = h.last.attested
		}
		return a, nil
	}
	if err := h.check(c); err != nil {
		h.o.Log.WarnContext(ctx, "content breaks a rule and is not attested", "number", s.Number, "error", err)
		return Answer{}, err
	}
	signed, err := h.sign(s, c)
	if err != nil {
		return Answer{}, err
	}
	h.o.Log.DebugContext(ctx, "attested", "number", s.Number, "content", common.Hash(signed.GetContentHash()))
	return Answer{Attested: signed}, nil
}

// check checks the next number's content by the rules. The caller holds mu.
func (h *Voter) check(c *preblockv1.Content) error {
	if ordered.HasSealed(c) {
		began := time.Now()
		defer func() { h.took(StepCheck, time.Since(began)) }()
	}
	return h.order.Check(c)
}

// sign signs and keeps a statement. The caller holds mu.
func (h *Voter) sign(s attest.Statement, c *preblockv1.Content) (*keyholderv1.Attested, error) {
	signed, err := s.Sign(h.o.Key, h.o.Share.Authority())
	if err != nil {
		return nil, err
	}
	r := &record{statement: s, attested: signed, content: c}
	// gofail: var attestationSigned struct{}
	if err := h.store.append(r); err != nil {
		h.fail(err)
		return nil, err
	}
	// gofail: var attestationStored struct{}
	h.last = r
	if err := h.order.Add(c); err != nil {
		h.fail(err) // it was checked: what is known here does not fit the log
		return nil, err
	}
	return signed, nil
}

// again answers about a number that was attested. The caller holds mu.
func (h *Voter) again(s attest.Statement) (Answer, error) {
	r, err := h.store.read(s.Number)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Attested: r.attested, Refusal: vote.Again(r.statement, h.adoptions.statement(s.Number), s)}
	if a.Refusal == keyholderv1.AttestRefusal_ATTEST_REFUSAL_ADOPTED {
		m, err := h.adoptions.at(h.adoptions.byNumber[s.Number].record)
		if err != nil {
			return Answer{}, err
		}
		a.Certificate = m.GetCertificate()
	}
	return a, nil
}

// position is where the next statement has to stand.
func (h *Voter) position() vote.Position {
	if h.last == nil {
		return vote.Position{Next: h.o.Committee.First}
	}
	last := h.last.statement
	if adopted, ok := h.adoptions.of(last.Number); ok {
		last = adopted.statement
	}
	return vote.Position{Next: last.Number + 1, Previous: last.Hash(), Void: h.void}
}

// Attested returns what was attested for a number, ErrNotAttested after the last.
func (h *Voter) Attested(number uint64) (*keyholderv1.GetAttestedResponse, error) {
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
	adopted, err := h.adopted(number)
	if err != nil {
		return nil, err
	}
	return &keyholderv1.GetAttestedResponse{Attested: r.attested, Content: r.content, Adopted: adopted}, nil
}

func (h *Voter) took(step string, d time.Duration) {
	if h.o.OnStep != nil {
		h.o.OnStep(step, d)
	}
}

// fail ends Run. Only the first failure is kept: the others follow from it.
func (h *Voter) fail(err error) {
	select {
	case h.failed <- err:
	default:
	}
}
