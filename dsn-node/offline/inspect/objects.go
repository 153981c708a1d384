package inspect

import (
	"bytes"
	"errors"
	"fmt"

	"blindseq/kit/content"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee"
	"blindseq/seal/evidence"
	"blindseq/seal/outcome"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

type bundleObject struct{ *te.Bundle }

func (*bundleObject) alone() bool { return true }

func (b *bundleObject) show(p *page) {
	p.title("bundle %s", b.Hash())
	p.line("nonce", "%d", b.Nonce)
	if signer, err := b.Signer(); err == nil {
		p.line("signed by", "%s", signer)
	} else {
		p.line("signed by", "nobody: %v", err)
	}
	p.line("ciphertext id", "%s", b.Payload.Ciphertext.ID())
	for i, tx := range b.Payload.Txs {
		p.line(fmt.Sprintf("transaction %d", i), "%s, %d bytes", tx.Hash, len(tx.Data))
	}
	if len(b.Payload.Txs) > 1 {
		p.line("warning", "several transactions under one key: they give away each other's plain bytes")
	}
}

// verify takes an unsigned bundle, which a rollup may take too; one with a signature that is none is not.
func (b *bundleObject) verify(*committee.Committee) error {
	if _, err := b.Signer(); err != nil && !errors.Is(err, te.ErrUnsigned) {
		return err
	}
	_, err := b.Payload.Ciphertext.Verify()
	return err
}

type preblockObject struct{ *preblockv1.Preblock }

func (*preblockObject) alone() bool { return false }

func (b *preblockObject) show(p *page) {
	c := b.GetContent()
	p.title("preblock %d", c.GetNumber())
	p.line("parent", "0x%x", c.GetPreviousBlockHash())
	p.line("timestamp", "%s", c.GetTimestamp().AsTime().Format("2006-01-02 15:04:05Z07:00"))
	p.line("content hash", "0x%x", b.GetContentHash())
	if b.GetRequestId() != "" {
		p.line("request", "%s, attempt %d", b.GetRequestId(), b.GetAttempt())
	}
	for i, hash := range c.GetDelayedTransactionHashes() {
		p.line(fmt.Sprintf("delayed %d", i), "0x%x", hash)
	}
	outcomes := map[uint32]*preblockv1.Outcome{}
	for _, o := range b.GetOutcomes() {
		outcomes[o.GetIndex()] = o
	}
	for i, raw := range c.GetTransactions() {
		showTransaction(p, i, raw, outcomes[uint32(i)])
	}
	showCertificate(p, b.GetCertificate())
}

func showTransaction(p *page, i int, raw []byte, o *preblockv1.Outcome) {
	name := fmt.Sprintf("transaction %d", i)
	if !te.IsBundle(raw) {
		p.line(name, "%s plain, %d bytes", crypto.Keccak256Hash(raw), len(raw))
		return
	}
	p.line(name, "%s encrypted, %d bytes", crypto.Keccak256Hash(raw), len(raw))
	switch r := o.GetResult().(type) {
	case *preblockv1.Outcome_Decrypted:
		for _, tx := range r.Decrypted.GetTransactions() {
			p.line("", "decrypted to %s, %d bytes", crypto.Keccak256Hash(tx), len(tx))
		}
	case *preblockv1.Outcome_Undecryptable:
		p.line("", "not decrypted: %s: %s", r.Undecryptable.GetReason(), r.Undecryptable.GetText())
	default:
		p.line("", "no outcome")
	}
}

// verify cannot follow what lies outside of one preblock: that its certificate's predecessor is the one before, and where
// a repeated ciphertext stands first.
func (b *preblockObject) verify(c *committee.Committee) error {
	if hash := content.HashOf(b.GetContent()); !bytes.Equal(b.GetContentHash(), hash[:]) {
		return fmt.Errorf("the content hash is %s", common.Hash(hash))
	}
	if _, err := attest.VerifyPreblock(c, b.Preblock); err != nil {
		return err
	}
	return outcome.Verify(c.Keys, b.Preblock, nil)
}

type certificateObject struct{ *preblockv1.Certificate }

func (*certificateObject) alone() bool { return false }

func (o *certificateObject) show(p *page) {
	p.title("certificate of number %d", o.GetNumber())
	p.line("content hash", "0x%x", o.GetContentHash())
	showCertificate(p, o.Certificate)
}

func showCertificate(p *page, cert *preblockv1.Certificate) {
	if cert == nil {
		p.line("certificate", "none")
		return
	}
	p.line("chain", "%d", cert.GetChainId())
	p.line("committee", "0x%x", cert.GetCommitteeHash())
	p.line("follows statement", "0x%x", cert.GetPreviousPayloadHash())
	for _, a := range cert.GetAttestations() {
		p.line("attested by", "authority %d", a.GetAuthority())
	}
}

func (o *certificateObject) verify(c *committee.Committee) error {
	_, err := attest.Verify(c, o.Certificate)
	return err
}

// listCertificate is the origin's certificate: over a list of transactions, without number or chain.
type listCertificate struct{ *te.Certificate }

func (*listCertificate) alone() bool { return false }

func (o *listCertificate) show(p *page) {
	p.title("certificate of the origin's form %s", o.Hash())
	p.line("content hash", "%s", o.ContentHash)
	p.line("follows statement", "%s", o.PreviousHash)
	p.line("attestations", "%d", len(o.Attestations))
}

func (o *listCertificate) verify(c *committee.Committee) error { return o.Verify(c.Members) }

type evidenceObject struct{ *keyholderv1.Evidence }

func (*evidenceObject) alone() bool { return false }

func (o *evidenceObject) show(p *page) {
	p.title("evidence against authority %d: %s", o.GetAuthority(), evidence.Kind(o.Evidence))
	p.line("number", "%d", o.GetNumber())
	p.line("committee", "0x%x", o.GetCommitteeHash())
	if e := o.GetEquivocation(); e != nil {
		for _, a := range []*keyholderv1.Attested{e.GetFirst(), e.GetSecond()} {
			p.line("signed", "content 0x%x after statement 0x%x", a.GetContentHash(), a.GetPreviousPayloadHash())
		}
	}
	if w := o.GetWrongShare(); w != nil {
		p.line("bundle", "%s", crypto.Keccak256Hash(w.GetBundle()))
		p.line("answer", "%d of %d", w.GetPosition(), len(w.GetShares().GetAnswers()))
	}
}

func (o *evidenceObject) verify(c *committee.Committee) error { return evidence.Verify(c, o.Evidence) }
