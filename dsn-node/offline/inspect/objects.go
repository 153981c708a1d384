package inspect

import (
	"bytes"
	"fmt"

	"blindseq/kit/content"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/committee"
	"blindseq/seal/evidence"
	"blindseq/seal/outcome"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

type preblockObject struct{ *preblockv1.Preblock }

func (b *preblockObject) show(p *page) {
	c := b.GetContent()
	p.title("preblock %d", c.GetNumber())
	p.line("parent", "0x%x", c.GetPreviousBlockHash())
	p.line("timestamp", "%s", c.GetTimestamp().AsTime().Format("2006-01-02 15:04:05Z07:00"))
	p.line("base fee", "%d", c.GetBaseFee())
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
	if !seal.IsSealed(raw) {
		p.line(name, "%s plain, %d bytes", crypto.Keccak256Hash(raw), len(raw))
		return
	}
	if sealed, err := seal.Parse(raw); err == nil {
		p.line(name, "%s sealed, %d bytes, seq %d of %s", sealed.ID(), len(raw), sealed.Seq, sealed.Submitter)
	} else {
		p.line(name, "sealed, %d bytes, refused: %s", len(raw), reason(err))
	}
	switch r := o.GetResult().(type) {
	case *preblockv1.Outcome_Opened:
		p.line("", "opened to %s, %d bytes", crypto.Keccak256Hash(r.Opened.GetTransaction()), len(r.Opened.GetTransaction()))
	case *preblockv1.Outcome_Unopenable:
		p.line("", "unopenable: %s, shown by %d shares", outcome.ReasonText(r.Unopenable.GetReason()), len(r.Unopenable.GetShares()))
	default:
		p.line("", "no outcome")
	}
}

// verify cannot follow what lies outside of one preblock: that its certificate's predecessor is the one before, and that each
// sealed transaction is its submitter's next one.
func (b *preblockObject) verify(c *committee.Committee) error {
	if hash := content.HashOf(b.GetContent()); !bytes.Equal(b.GetContentHash(), hash[:]) {
		return fmt.Errorf("the content hash is %s", common.Hash(hash))
	}
	if _, err := attest.VerifyPreblock(c, b.Preblock); err != nil {
		return err
	}
	return outcome.Verify(c, b.Preblock)
}

type certificateObject struct{ *preblockv1.Certificate }

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
	p.line("view", "%d", cert.GetView())
	for _, a := range cert.GetAttestations() {
		p.line("attested by", "authority %d", a.GetAuthority())
	}
	for _, a := range cert.GetLocks() {
		p.line("locked by", "authority %d", a.GetAuthority())
	}
	if len(cert.GetLocks()) == 0 {
		p.line("locked by", "nobody: this does not show that the content is final")
	}
}

// verify takes a certificate without locks, which shows what was attested; locks that are there must make the content final.
func (o *certificateObject) verify(c *committee.Committee) error {
	s, err := attest.Verify(c, o.Certificate)
	if err == nil && len(o.GetLocks()) > 0 {
		err = attest.VerifyLocks(c, s, o.Certificate)
	}
	return err
}

type evidenceObject struct{ *keyholderv1.Evidence }

func (o *evidenceObject) show(p *page) {
	p.title("evidence against authority %d: %s", o.GetAuthority(), evidence.Kind(o.Evidence))
	p.line("number", "%d", o.GetNumber())
	p.line("committee", "0x%x", o.GetCommitteeHash())
	if e := o.GetEquivocation(); e != nil {
		for _, a := range []*keyholderv1.Attested{e.GetFirst(), e.GetSecond()} {
			p.line("signed", "content 0x%x after statement 0x%x in view %d", a.GetContentHash(), a.GetPreviousPayloadHash(), a.GetView())
		}
	}
	if w := o.GetWrongShare(); w != nil {
		p.line("sealed", "%s", idOf(w.GetSealed()))
		p.line("answer", "%d of %d", w.GetPosition(), len(w.GetShares().GetAnswers()))
	}
	if s := o.GetTwoShares(); s != nil {
		p.line("signed", "two shares of one sealed transaction, in answers of %d and %d", len(s.GetFirst().GetAnswers()), len(s.GetSecond().GetAnswers()))
	}
}

// idOf names a sealed transaction that may be none.
func idOf(raw []byte) string {
	sealed, err := seal.Parse(raw)
	if err != nil {
		return "refused: " + reason(err)
	}
	return sealed.ID().String()
}

func (o *evidenceObject) verify(c *committee.Committee) error { return evidence.Verify(c, o.Evidence) }

// committeeObject is a committee's file. Reading it has checked it.
type committeeObject struct{ *committee.Committee }

func (o *committeeObject) show(p *page) {
	p.title("committee %s", o.Hash())
	p.line("chain", "%d", o.ChainID)
	p.line("first number", "%d", o.First)
	p.line("key", "%s, id %s", o.Keys.Point(), o.Keys.ID())
	p.line("threshold", "%d of %d keyholders, quorum %d", o.Keys.Threshold(), o.Size(), o.Quorum())
	p.line("lifetime", "%d numbers", o.Limits.Lifetime)
	p.line("sealed gas", "%d", o.Limits.SealedGas)
	for i, address := range o.Members() {
		p.line(fmt.Sprintf("authority %d", i), "%s", address)
	}
	for i, address := range o.Roles.Sequencers {
		p.line(fmt.Sprintf("sequencer %d", i), "%s", address)
	}
	for i, address := range o.Roles.Relays {
		p.line(fmt.Sprintf("relay %d", i), "%s", address)
	}
}

// verify compares a committee with the one that is trusted.
func (o *committeeObject) verify(c *committee.Committee) error {
	if o.Hash() != c.Hash() {
		return fmt.Errorf("it is not the committee %s", c.Hash())
	}
	return nil
}
