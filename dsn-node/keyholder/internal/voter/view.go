package voter

import (
	"context"
	"errors"
	"fmt"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/rules"

	"google.golang.org/protobuf/proto"
)

// ChangeView leaves all views of a number below one and returns the signed statement of it, which says what is locked here. From
// then on nothing is attested or locked there. A repeat gets the same statement.
func (h *Voter) ChangeView(ctx context.Context, number, view uint64) (*keyholderv1.ViewChange, error) {
	m, err := h.changeView(ctx, number, view)
	if err != nil {
		return nil, fmt.Errorf("change to view %d of number %d: %w", view, number, h.failing(err))
	}
	return m, nil
}

func (h *Voter) changeView(ctx context.Context, number, view uint64) (*keyholderv1.ViewChange, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if m := h.left; m != nil && m.GetNumber() == number && m.GetView() == view {
		return m, nil
	}
	if err := h.position().ChangeView(number, view); err != nil {
		return nil, err
	}
	m, err := h.leaves(number, view)
	if err != nil {
		return nil, err
	}
	r := new(held)
	if number == h.position().Number() {
		*r = *h.last
	}
	r.left = m
	// gofail: var viewLeaving struct{}
	if err := h.keepView(number, r); err != nil {
		return nil, err
	}
	// gofail: var viewLeft struct{}
	h.o.Log.WarnContext(ctx, "left a view of a number", "number", number, "view", view, "locked", m.GetCertificate() != nil)
	return m, nil
}

// leaves signs that all views of a number below one were left. It is nothing new in a view that the keyholder is in. The caller
// holds mu, and keeps the statement before it shows anything.
func (h *Voter) leaves(number, view uint64) (*keyholderv1.ViewChange, error) {
	if view <= h.position().View(number) {
		if h.left.GetNumber() == number {
			return h.left, nil
		}
		return nil, nil
	}
	var locked *preblockv1.Certificate
	if number == h.position().Number() && h.last.Certified != (attest.Statement{}) {
		locked = h.last.cert
	}
	return attest.SignViewChange(h.o.Committee, h.o.Key, h.o.Share.Authority(), number, view, locked)
}

// keepView keeps all that is held for the number that can still be replaced, in a view above 0. The caller holds mu.
func (h *Voter) keepView(number uint64, r *held) error {
	if err := h.store.keepView(number, r); err != nil {
		return err
	}
	if number == h.position().Number() {
		h.holdsNow(r)
	}
	if r.left != nil {
		h.left = r.left
	}
	return nil
}

// holdsNow notes what is held for the last number. The caller holds mu, and has made it durable.
func (h *Voter) holdsNow(r *held) {
	h.last = r
	if r.left != nil {
		h.left = r.left
	}
}

// open checks that the view of a proposal is open, and open for its content. View 0 always is.
func (h *Voter) open(s attest.Statement, p Proposal) error {
	if p.View == 0 {
		return nil
	}
	required, err := attest.Opens(h.o.Committee, s.Number, p.View, p.Changes)
	if err == nil && required != (attest.Statement{}) && required != s {
		err = fmt.Errorf("%w: it requires content %s after %s", attest.ErrViewChange, required.Content, required.Previous)
	}
	return err
}

// anew attests a statement for the last number in a higher view. The caller holds mu.
func (h *Voter) anew(ctx context.Context, s attest.Statement, p Proposal) (Answer, error) {
	r := *h.last
	if s != r.Signed && s != r.Certified {
		if err := rules.CheckClock(p.Content.GetTimestamp().GetSeconds(), h.o.Now()); err != nil {
			return Answer{}, err
		}
	}
	if r.cert != nil && r.Certified == r.Signed && r.certified == nil {
		r.certified = r.signed // from here on, another content may be the attested one
	}
	var err error
	if r.left, err = h.leaves(s.Number, p.View); err != nil {
		return Answer{}, err
	}
	signed, err := s.Sign(h.o.Key, h.o.Share.Authority(), p.View)
	if err != nil {
		return Answer{}, err
	}
	r.Signed, r.SignedView, r.attested, r.signed = s, p.View, signed, p.Content
	if s != h.last.Follows() {
		err = h.refollow(ctx, s.Number, p.Content, func() error { return h.keepView(s.Number, &r) })
	} else {
		err = h.keepView(s.Number, &r)
	}
	if err != nil {
		return Answer{}, err
	}
	h.o.Log.InfoContext(ctx, "attested in a higher view", "number", s.Number, "view", p.View, "content", s.Content)
	return Answer{Attested: signed}, nil
}

// refollow makes the order end with another content of the last number, which keep makes durable. The caller holds mu.
func (h *Voter) refollow(ctx context.Context, number uint64, c *preblockv1.Content, keep func() error) error {
	if err := h.order.Rewind(ctx, number-1, h.store.followed); err != nil {
		return err
	}
	if err := h.check(c); err != nil {
		return errors.Join(err, h.rebuild(ctx, number))
	}
	if err := keep(); err != nil {
		return err
	}
	if err := h.order.Add(c); err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
}

// keepView keeps all that is held for a number, above what the other logs have of it.
func (s *store) keepView(number uint64, r *held) error {
	m := r.message()
	if m.ViewChange == nil {
		m.ViewChange = &keyholderv1.ViewChange{Number: number} // says which number it is of
	}
	if err := put(s.views, s.views.Next(), m); err != nil {
		return err
	}
	s.keep(number, m)
	return nil
}

func (s *store) keep(number uint64, m *keyholderv1.GetAttestedResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.viewed[number] = m
}

// inView is what keepView kept last for a number, nil for nothing.
func (s *store) inView(number uint64) *keyholderv1.GetAttestedResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.viewed[number]; m != nil {
		return proto.CloneOf(m)
	}
	return nil
}

// loadViews reads the log of views, which is short: a view changes when an operator has it changed.
func (s *store) loadViews() (left *keyholderv1.ViewChange, err error) {
	for record := s.views.First(); record > 0 && record <= s.views.Last(); record++ {
		m := new(keyholderv1.GetAttestedResponse)
		if err := get(s.views, record, m); err != nil {
			return nil, err
		}
		if m.GetViewChange().GetView() > 0 {
			left = m.GetViewChange()
		}
		s.keep(m.GetViewChange().GetNumber(), m)
	}
	return left, nil
}
