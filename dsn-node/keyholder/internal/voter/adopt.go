package voter

import (
	"bytes"
	"context"
	"errors"
	"fmt"

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
// A content that breaks a rule is refused like one to attest. Only a quorum with dishonest members can have certified it.
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
	if err = h.adopt(ctx, s, m); errors.Is(err, ErrStorage) {
		h.fail(err)
	}
	return err
}

func (h *Voter) adopt(ctx context.Context, s attest.Statement, m *keyholderv1.Adopted) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err // nobody waits for the answer any more
	}
	if h.closed {
		return ErrClosed
	}
	if s.Number > h.store.last() {
		return ErrNotAttested
	}
	signed, err := h.store.read(s.Number)
	if err != nil {
		return err
	}
	previous, err := h.before(s.Number)
	if err != nil {
		return err
	}
	there := vote.Adoptable{
		Signed: signed.statement, Adopted: h.adoptions.statement(s.Number), Previous: previous, Last: h.adoptions.last(), Void: h.void,
	}
	if changes, err := there.Adopt(s); !changes || err != nil {
		return err
	}
	if err := h.replace(ctx, s, m); err != nil {
		return err
	}
	h.void = s.Number < h.store.last()
	h.o.Log.WarnContext(ctx, "another content than was attested here is certified and was adopted", "number", s.Number,
		"attested", signed.statement.Content, "adopted", s.Content)
	return nil
}

// replace makes the order end with an adopted content, which is durable then. The caller holds mu.
func (h *Voter) replace(ctx context.Context, s attest.Statement, m *keyholderv1.Adopted) error {
	last := h.order.Last()
	if err := h.order.Rewind(ctx, s.Number-1, h.followed); err != nil {
		return err
	}
	if err := h.check(m.GetContent()); err != nil {
		return errors.Join(err, h.restore(ctx, last))
	}
	if err := h.adoptions.append(s, m); err != nil {
		return err
	}
	if err := h.order.Add(m.GetContent()); err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
}

// restore makes the order end with a number again. Without it nothing can be judged any more.
func (h *Voter) restore(ctx context.Context, last uint64) error {
	if err := h.order.Restore(context.WithoutCancel(ctx), last, h.followed); err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
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

// resumeAdoptions finds out whether what was attested follows the last adoption.
func (h *Voter) resumeAdoptions() error {
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

// final is the statement that is followed for a number, the one adopted or else the one signed, and its content.
func (h *Voter) final(number uint64) (attest.Statement, *preblockv1.Content, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return attest.Statement{}, nil, ErrClosed
	}
	if h.void && number > h.adoptions.last() {
		return attest.Statement{}, nil, ErrOtherOrder
	}
	if adopted, ok := h.adoptions.of(number); ok {
		c, err := h.followed(number)
		return adopted.statement, c, err
	}
	if h.last != nil && h.last.statement.Number == number {
		return h.last.statement, h.last.content, nil
	}
	r, err := h.store.read(number)
	if err != nil {
		return attest.Statement{}, nil, err
	}
	return r.statement, r.content, nil
}

// followed is the content that is followed for a number. The caller holds mu.
func (h *Voter) followed(number uint64) (*preblockv1.Content, error) {
	if adopted, ok := h.adoptions.of(number); ok {
		m, err := h.adoptions.at(adopted.record)
		return m.GetContent(), err
	}
	m, err := h.store.message(number)
	return m.GetContent(), err
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
