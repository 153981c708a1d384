package sim

import (
	"errors"

	"blindseq/dsn-node/keyholder/vote"
	"blindseq/dsn-node/sequencer/round"
	"blindseq/e2e/history"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

var errNotCertified = errors.New("no quorum certified what was attested here")

// keyholder signs one content for a number, by vote.Follow and vote.Again. Signatures cannot be forged here: the sender of a
// statement is its signer. No keyholder ever adopts another's statement: without a defect the sequencer loses no accepted
// proposal, so it asks all keyholders to sign the same content.
type keyholder struct {
	*process
	attested disk[attest.Statement] // survives
}

// attestation is what was signed, or why not.
type attestation struct {
	signed  *attest.Statement
	refusal keyholderv1.AttestRefusal
}

func (k *keyholder) recover() {
	k.attested.crash()
	k.w.saw(k.process, history.Recovered, k.attested.last(), nil)
	k.serves()
}

func (k *keyholder) attest(s attest.Statement, answer func(attestation, error)) {
	if signed, ok := k.attested.get(s.Number); ok {
		refusal := vote.Again(signed, attest.Statement{}, s)
		if refusal != 0 && k.w.bug(AttestsTwoContents) {
			k.w.attested(k.process, s)
			signed, refusal = s, 0
		}
		answer(attestation{&signed, refusal}, nil)
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
			a.signed = &last
		}
		answer(a, nil)
		return
	}
	k.step(AttestationStored, func() {
		k.attested.append(s)
		if !k.w.bug(AttestationNotSynced) {
			k.attested.sync()
		}
	}, func() {
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
	certified := ok && distinct.Len() >= quorum && signed.Content == common.BytesToHash(cert.GetContentHash()) &&
		signed.Previous == common.BytesToHash(cert.GetPreviousPayloadHash())
	if !certified {
		answer(false, errNotCertified)
		return
	}
	k.step(SharesGiven, func() {}, func() { answer(true, nil) })
}
