package holder

import (
	"blindseq/dsn-node/attest"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"

	"github.com/ethereum/go-ethereum/common"
)

// attested is the absence of a refusal.
const attested = keyholderv1.AttestRefusal_ATTEST_REFUSAL_UNSPECIFIED

// Position is where the next statement has to stand: its number, and the hash of the one before, zero for the first.
type Position struct {
	Next     uint64
	Previous common.Hash
}

// Follow decides whether a statement about a number that was not attested yet may be signed.
func Follow(p Position, s attest.Statement) keyholderv1.AttestRefusal {
	switch {
	case s.Number != p.Next:
		return keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_NEXT
	case s.Previous != p.Previous:
		return keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_PREVIOUS
	}
	return attested
}

// Again decides about a number that was attested.
func Again(signed, s attest.Statement) keyholderv1.AttestRefusal {
	if signed != s {
		return keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT
	}
	return attested
}
