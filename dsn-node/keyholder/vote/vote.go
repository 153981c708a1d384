// Package vote decides what a keyholder may sign: pure functions of what it has signed and adopted before. A keyholder signs
// one content for a number, and each after the one before.
package vote

import (
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

// Granted is the absence of a refusal.
const Granted = keyholderv1.AttestRefusal_ATTEST_REFUSAL_UNSPECIFIED

// Position is where the next statement has to stand: its number, and the hash of the one before, zero for the first. It is
// void while what was attested does not follow what was adopted before it.
type Position struct {
	Next     uint64
	Previous common.Hash
	Void     bool
}

// Follow decides whether a statement about a number that was not attested yet may be signed.
func Follow(p Position, s attest.Statement) keyholderv1.AttestRefusal {
	switch {
	case s.Number != p.Next:
		return keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_NEXT
	case p.Void || s.Previous != p.Previous:
		return keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_PREVIOUS
	}
	return Granted
}

// Again decides about a number that was attested, and for which perhaps something else was adopted.
func Again(signed, adopted, s attest.Statement) keyholderv1.AttestRefusal {
	switch s {
	case signed:
		return Granted
	case adopted:
		return keyholderv1.AttestRefusal_ATTEST_REFUSAL_ADOPTED
	}
	return keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT
}
