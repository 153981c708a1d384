package sim

import (
	"errors"

	"blindseq/dsn-node/keyholder/vote"
	"blindseq/dsn-node/sequencer/round"
	"blindseq/e2e/history"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
)

var errNotCertified = errors.New("no quorum certified what was attested here")

// keyholder signs one content for a number, by vote.Follow and vote.Again. Signatures cannot be forged here: the sender of a
// statement is its signer. It checks the seqs of each content before it signs, by rules.Window. No keyholder ever adopts another's
// statement: without a defect the sequencer loses no accepted proposal, so it asks all keyholders to sign the same content.
type keyholder struct {
	*process
	attested disk[signed] // survives
	window   *rules.Window
}

// signed is a statement with the headers of its content's sealed transactions.
type signed struct {
	attest.Statement
	headers []seal.Header
}

// attestation is what was signed, or why not.
type attestation struct {
	signed  *attest.Statement
	refusal keyholderv1.AttestRefusal
}

func (k *keyholder) recover() {
	k.attested.crash()
	k.window = k.w.windowOf(k.attested.last(), func(number uint64) []seal.Header {
		s, _ := k.attested.get(number)
		return s.headers
	})
	k.w.saw(k.process, history.Recovered, k.attested.last(), nil)
	k.serves()
}

func (k *keyholder) attest(s attest.Statement, c *preblockv1.Content, answer func(attestation, error)) {
	if before, ok := k.attested.get(s.Number); ok {
		refusal := vote.Again(before.Statement, attest.Statement{}, s)
		if refusal != 0 && k.w.bug(AttestsTwoContents) {
			before.Statement, refusal = s, 0
		}
		if refusal == 0 {
			k.w.attested(k.process, s)
		}
		answer(attestation{&before.Statement, refusal}, nil)
		return
	}
	position := vote.Position{Next: 1}
	last, any := k.attested.get(k.attested.last())
	if any {
		position = vote.Position{Next: last.Number + 1, Previous: last.Hash()}
	}
	if refusal := vote.Follow(position, s); refusal != 0 {
		a := attestation{refusal: refusal}
		if any {
			a.signed = &last.Statement
		}
		answer(a, nil)
		return
	}
	headers := headersOf(c)
	if err := rules.CheckHeaders(c, headers, limits, k.window); err != nil {
		answer(attestation{}, err)
		return
	}
	k.step(AttestationStored, func() {
		k.attested.append(signed{s, headers})
		if !k.w.bug(AttestationNotSynced) {
			k.attested.sync()
		}
	}, func() {
		_ = k.window.AddHeaders(s.Number, headers) // checked above
		k.w.attested(k.process, s)
		answer(attestation{signed: &s}, nil)
	})
}

// release gives the shares of a certified content.
func (k *keyholder) release(cert *preblockv1.Certificate, answer func(bool, error)) {
	signed, ok := k.attested.get(cert.GetNumber())
	distinct := round.Set{}
	for _, a := range cert.GetAttestations() {
		distinct = distinct.With(uint8(a.GetAuthority()))
	}
	certified := ok && (distinct.Len() >= quorum || k.w.bug(SharesBeforeTheCertificate)) && signed.Content == common.BytesToHash(cert.GetContentHash()) &&
		signed.Previous == common.BytesToHash(cert.GetPreviousPayloadHash())
	if !certified {
		answer(false, errNotCertified)
		return
	}
	k.step(SharesGiven, func() {}, func() {
		k.w.shared(k.process, signed.Statement)
		answer(true, nil)
	})
}
