package voter

import (
	"context"
	"fmt"

	"blindseq/dsn-node/keyholder/vote"
	"blindseq/kit/content"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

// Lock keeps a certificate, and the content it is over when another one was attested here, and then signs a lock. c may be nil
// when the content was attested here.
func (h *Voter) Lock(ctx context.Context, cert *preblockv1.Certificate, c *preblockv1.Content) (*preblockv1.Attestation, error) {
	lock, err := h.lock(ctx, cert, c)
	if err != nil {
		return nil, fmt.Errorf("lock number %d: %w", cert.GetNumber(), err)
	}
	return lock, nil
}

func (h *Voter) lock(ctx context.Context, cert *preblockv1.Certificate, c *preblockv1.Content) (*preblockv1.Attestation, error) {
	if err := h.ours(cert); err != nil {
		return nil, err
	}
	s, err := attest.Verify(h.o.Committee, cert)
	if err == nil && c != nil {
		err = over(s, c)
	}
	if err != nil {
		return nil, err
	}
	if err := h.lockDurably(ctx, s, attest.Final(cert, nil), c); err != nil {
		return nil, h.failing(err)
	}
	return s.Lock(h.o.Key, h.o.Share.Authority(), cert.GetView())
}

// over checks that a statement is about a content.
func over(s attest.Statement, c *preblockv1.Content) error {
	if err := content.Check(c); err != nil {
		return err
	}
	if c.GetNumber() != s.Number || content.HashOf(c) != s.Content {
		return fmt.Errorf("%w: it is over another content", attest.ErrCertificate)
	}
	return nil
}

// lockDurably keeps the certificate of a statement, unless it is kept already.
func (h *Voter) lockDurably(ctx context.Context, s attest.Statement, cert *preblockv1.Certificate, c *preblockv1.Content) error {
	leave, err := h.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	there, err := h.holds(s.Number)
	if err != nil {
		return err
	}
	change, err := h.position().Lock(there.Held, s, cert.GetView())
	if err == nil && change == vote.Replace && c == nil {
		if c = there.of(s); c == nil {
			err = ErrContentMissing
		}
	}
	if err != nil {
		return err
	}
	// gofail: var lockStoring struct{}
	err = h.change(ctx, change, s, &keyholderv1.Adopted{Content: c, Certificate: cert})
	// gofail: var lockStored struct{}
	return err
}

// change keeps what a certificate changes. The caller holds mu.
func (h *Voter) change(ctx context.Context, change vote.Change, s attest.Statement, m *keyholderv1.Adopted) error {
	switch change {
	case vote.Certify:
		return h.certify(s, h.last.certified, m.GetCertificate())
	case vote.Replace:
		return h.replace(ctx, s, m)
	case vote.Append:
		return h.follow(ctx, s, m)
	}
	return nil
}

// certify keeps a certificate of the last number, with its content when it is not the attested one. One without locks is about to
// be locked: then the keyholder has left all views below. The caller holds mu.
func (h *Voter) certify(s attest.Statement, c *preblockv1.Content, cert *preblockv1.Certificate) (err error) {
	r := *h.last
	if r.Final = len(cert.GetLocks()) > 0; !r.Final {
		if r.left, err = h.leaves(s.Number, cert.GetView()); err != nil {
			return err
		}
	}
	if s == r.Signed {
		c = nil
	}
	r.Certified, r.CertifiedView, r.certified, r.cert = s, cert.GetView(), c, cert
	if err := h.store.certify(&r); err != nil {
		return err
	}
	h.holdsNow(&r)
	return nil
}

// replace makes the order end with a certified content in the place of the one attested. The caller holds mu.
func (h *Voter) replace(ctx context.Context, s attest.Statement, m *keyholderv1.Adopted) error {
	attested := h.last.Signed.Content
	err := h.refollow(ctx, s.Number, m.GetContent(), func() error { return h.certify(s, m.GetContent(), m.GetCertificate()) })
	if err != nil {
		return err
	}
	h.o.Log.WarnContext(ctx, "another content than was attested here is certified and was adopted", "number", s.Number,
		"attested", attested, "adopted", s.Content)
	return nil
}

// follow keeps a final content as that of the next number, without a signature. The caller holds mu.
func (h *Voter) follow(ctx context.Context, s attest.Statement, m *keyholderv1.Adopted) error {
	if err := h.check(m.GetContent()); err != nil {
		return err
	}
	r := &held{Held: vote.Held{Certified: s, Final: true}, certified: m.GetContent(), cert: m.GetCertificate()}
	if err := h.next(r); err != nil {
		return err
	}
	h.o.Log.DebugContext(ctx, "adopted the next number", "number", s.Number, "content", common.Hash(s.Content))
	return nil
}

// rebuild makes the order end with a number again. Without it nothing can be judged any more.
func (h *Voter) rebuild(ctx context.Context, last uint64) error {
	if err := h.order.Restore(context.WithoutCancel(ctx), last, h.store.followed); err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
}
