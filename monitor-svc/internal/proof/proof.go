// Package proof checks the proofs that a preblock carries, so that nobody has to trust the sequencer that sent it.
//
// It guarantees of a preblock that Check accepts, from the committee's first number on: its content is final for its number (a
// quorum of the keyholders attested it, and locked it in the same view), after the statement that the preblock before it shows;
// and its outcomes are the only right ones of
// its sealed transactions: each opening seals to the same bytes again, and what is unopenable is proven by shares. A preblock
// that no committee answers for (there is none, or it begins later) has neither sealed transactions nor outcomes.
//
// ExamineRun accepts the same contents and outcomes, for less. The certificates in the middle of a run may be false: the contents are
// final by the last one of it.
//
// It keeps only what it can fetch again: the previous statement is that of a preblock checked here, or is fetched.
package proof

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/committee"
	"blindseq/seal/outcome"

	"github.com/ethereum/go-ethereum/common"
)

var (
	// ErrUncertified says that a preblock with sealed transactions or outcomes has no committee that answers for it.
	ErrUncertified = errors.New("sealed transactions that no committee answers for")
	// ErrBroken says that a certificate does not follow the statement before it.
	ErrBroken = errors.New("the chain of certificates is broken")
)

// kept bounds how many statements are remembered.
const kept = 4096

// Fetch gets an earlier preblock as the DSN shows it, unchecked.
type Fetch func(ctx context.Context, number uint64) (*preblockv1.Preblock, error)

// Checker checks preblocks. It is safe for concurrent use.
type Checker struct {
	committee *committee.Committee // nil: nothing is sealed
	fetch     Fetch

	mu       sync.Mutex
	payloads map[uint64]common.Hash
}

// New returns a checker. Without a committee it refuses preblocks that only a committee can prove.
func New(c *committee.Committee, fetch Fetch) *Checker {
	return &Checker{committee: c, fetch: fetch, payloads: map[uint64]common.Hash{}}
}

// Check refuses a well-formed preblock that does not show what it must. forged tells that it never will; other errors are
// of a fetch, and worth another attempt.
func (c *Checker) Check(ctx context.Context, p *preblockv1.Preblock) (forged bool, err error) {
	statement, err := c.Examine(p)
	if err != nil {
		return true, err
	}
	return c.Link(ctx, p, statement)
}

// Examine is the part of Check that needs no other preblock checked before, and nearly all of its cost: many preblocks may
// be examined at once. An error says that the preblock is forged. The statement is for Link.
func (c *Checker) Examine(p *preblockv1.Preblock) (statement [32]byte, err error) {
	if !c.answers(p) {
		return statement, plain(p)
	}
	outcomes := make(chan error, 1) // checked at the same time as the certificate
	go func() { outcomes <- outcome.Verify(c.committee, p) }()
	statement, err = attest.VerifyPreblock(c.committee, p)
	return statement, cmp.Or(err, <-outcomes)
}

// ExamineRun is Examine for preblocks of consecutive numbers. Of the certificates that the committee answers for, it looks at the
// signatures of the last only (attest.VerifyRun), which makes up for most of the cost. After an error, Examine says which it was.
func (c *Checker) ExamineRun(run []*preblockv1.Preblock) (statements [][32]byte, err error) {
	statements = make([][32]byte, len(run))
	first := 0
	for first < len(run) && !c.answers(run[first]) {
		if err := plain(run[first]); err != nil {
			return nil, err
		}
		first++
	}
	if first == len(run) {
		return statements, nil
	}
	hashes, err := attest.VerifyRun(c.committee, run[first:])
	if err != nil {
		return nil, err
	}
	for i, hash := range hashes {
		statements[first+i] = hash
		if err := outcome.Verify(c.committee, run[first+i]); err != nil {
			return nil, err
		}
	}
	return statements, nil
}

// Link is the rest: an examined preblock follows the one before it. In order it costs nothing, else a fetch.
func (c *Checker) Link(ctx context.Context, p *preblockv1.Preblock, statement [32]byte) (forged bool, err error) {
	if !c.answers(p) {
		return false, nil
	}
	number := p.GetContent().GetNumber()
	previous, err := c.before(ctx, number)
	if err != nil {
		return false, fmt.Errorf("check preblock %d: %w", number, err)
	}
	if got := common.Hash(p.GetCertificate().GetPreviousPayloadHash()); got != previous {
		return true, fmt.Errorf("check preblock %d: %w: it follows %s, number %d is %s", number, ErrBroken, got, number-1, previous)
	}
	c.keep(number, statement)
	return false, nil
}

// answers says whether the committee answers for the preblock.
func (c *Checker) answers(p *preblockv1.Preblock) bool {
	return c.committee != nil && p.GetContent().GetNumber() >= c.committee.First
}

func plain(p *preblockv1.Preblock) error {
	sealed := len(p.GetOutcomes())
	for _, raw := range p.GetContent().GetTransactions() {
		if seal.IsSealed(raw) {
			sealed++
		}
	}
	if sealed > 0 {
		return fmt.Errorf("check preblock %d: %w", p.GetContent().GetNumber(), ErrUncertified)
	}
	return nil
}

// before returns the hash of the statement that a number's certificate must follow.
func (c *Checker) before(ctx context.Context, number uint64) (common.Hash, error) {
	if number == c.committee.First {
		return common.Hash{}, nil
	}
	if hash, ok := c.remembered(number - 1); ok {
		return hash, nil
	}
	return c.certified(ctx, number-1)
}

// certified fetches a preblock and checks its certificate: its statement may be relied on, its outcomes may not.
func (c *Checker) certified(ctx context.Context, number uint64) (common.Hash, error) {
	p, err := c.fetch(ctx, number)
	if err != nil {
		return common.Hash{}, err
	}
	if got := p.GetContent().GetNumber(); got != number {
		return common.Hash{}, fmt.Errorf("asked for preblock %d, got %d", number, got)
	}
	payload, err := attest.VerifyPreblock(c.committee, p)
	return payload, err
}

func (c *Checker) remembered(number uint64) (common.Hash, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	hash, ok := c.payloads[number]
	return hash, ok
}

// keep remembers a statement. The first one of a number stays: a second one is for the merge to notice.
func (c *Checker) keep(number uint64, payload common.Hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.payloads[number]; ok {
		return
	}
	if len(c.payloads) >= kept {
		for old := range c.payloads { // any of them: a forgotten one can be fetched
			delete(c.payloads, old)
			break
		}
	}
	c.payloads[number] = payload
}
