package voter

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"blindseq/dsn-node/internal/stoplist"
	"blindseq/dsn-node/keyholder/vote"
	"blindseq/kit/content"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

// Adopt takes a certified content as what was decided for its number, although another one was attested here. That one
// stays attested, for ever: nothing is signed here. A repeat is a success, and so is what was attested here itself.
//
// It is durable in two steps: first the adoption, which is the decision; then the stop list forgets what came from the
// content that was given up. A crash between them is found when the voter is opened: the list counts what it forgot.
func (h *Voter) Adopt(ctx context.Context, m *keyholderv1.Adopted) error {
	err := h.adoptCertified(ctx, m)
	if err != nil {
		return fmt.Errorf("adopt number %d: %w", m.GetContent().GetNumber(), err)
	}
	return nil
}

func (h *Voter) adoptCertified(ctx context.Context, m *keyholderv1.Adopted) error {
	if err := content.Check(m.GetContent()); err != nil {
		return err
	}
	ours := h.o.Committee.Hash()
	if b := m.GetCertificate().GetCommitteeHash(); len(b) == 32 && !bytes.Equal(b, ours[:]) {
		return ErrOtherCommittee
	}
	s, err := verifyAdopted(h.o.Committee, m)
	if err != nil {
		return err
	}
	err = h.planner.Revise(func() (uint64, error) { return h.adopt(ctx, s, m) })
	if errors.Is(err, ErrStorage) || errors.Is(err, stoplist.ErrStorage) {
		h.fail(err)
	}
	return err
}

// adopt returns the number when something else was final for it before.
func (h *Voter) adopt(ctx context.Context, s attest.Statement, m *keyholderv1.Adopted) (uint64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err // nobody waits for the answer any more
	}
	if s.Number > h.store.last() {
		return 0, ErrNotAttested
	}
	signed, err := h.store.read(s.Number)
	if err != nil {
		return 0, err
	}
	previous, err := h.before(s.Number)
	if err != nil {
		return 0, err
	}
	there := vote.Adoptable{
		Signed: signed.statement, Adopted: h.adoptions.statement(s.Number), Previous: previous, Last: h.adoptions.last(), Void: h.void,
	}
	if changes, err := there.Adopt(s); !changes || err != nil {
		return 0, err
	}
	if err := h.adoptions.append(s, m); err != nil {
		return 0, err
	}
	h.void = s.Number < h.store.last()
	h.o.Log.WarnContext(ctx, "another content than was attested here is certified and was adopted", "number", s.Number,
		"attested", signed.statement.Content, "adopted", s.Content)
	return s.Number, nil
}

// before is the hash of what is final for the number before, zero for the first. The caller holds mu.
func (h *Voter) before(number uint64) (common.Hash, error) {
	if number == h.o.Committee.First {
		return common.Hash{}, nil
	}
	if adopted, ok := h.adoptions.of(number - 1); ok {
		return adopted.statement.Hash(), nil
	}
	r, err := h.store.read(number - 1)
	if err != nil {
		return common.Hash{}, err
	}
	return r.statement.Hash(), nil
}

// resumeAdoptions brings the stop list up to the adoptions, and finds out whether what was attested follows the last one.
func (h *Voter) resumeAdoptions(list *stoplist.List) error {
	all, forgotten := h.adoptions.numbers, list.Forgotten()
	if forgotten > uint64(len(all)) {
		return fmt.Errorf("%w: the stop list knows of %d adoptions, the log of %d", ErrStorage, forgotten, len(all))
	}
	for _, number := range all[forgotten:] {
		if err := list.Forget(number); err != nil {
			return err
		}
	}
	last := h.adoptions.last()
	if last == 0 || last >= h.store.last() {
		return nil
	}
	next, err := h.store.read(last + 1)
	if err != nil {
		return err
	}
	h.void = next.statement.Previous != h.adoptions.statement(last).Hash()
	return nil
}

// final is the statement that is followed for a number: the one adopted, or else the one signed.
func (h *Voter) final(number uint64) (attest.Statement, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.void && number > h.adoptions.last() {
		return attest.Statement{}, ErrOtherOrder
	}
	if adopted, ok := h.adoptions.of(number); ok {
		return adopted.statement, nil
	}
	r, err := h.store.read(number)
	if err != nil {
		return attest.Statement{}, err
	}
	return r.statement, nil
}

// content is the planner's source: the final content of a number.
func (h *Voter) content(number uint64) (*preblockv1.Content, error) {
	s, err := h.final(number)
	if err != nil {
		return nil, err
	}
	if adopted, err := h.adopted(s.Number); adopted != nil || err != nil {
		return adopted.GetContent(), err
	}
	r, err := h.store.read(number)
	if err != nil {
		return nil, err
	}
	return r.content, nil
}

// adopted is what was adopted for a number, nil when nothing was.
func (h *Voter) adopted(number uint64) (*keyholderv1.Adopted, error) {
	h.mu.Lock()
	a, ok := h.adoptions.of(number)
	h.mu.Unlock()
	if !ok {
		return nil, nil
	}
	return h.adoptions.at(a.record)
}
