package te

import (
	"errors"
	"fmt"
)

// What can be wrong with bytes from outside.
var (
	// ErrMalformed: the bytes are not the canonical encoding of what was expected.
	ErrMalformed = errors.New("malformed encoding")
	// ErrTooLarge: over one of the package's limits.
	ErrTooLarge = errors.New("over the limit")
	// ErrPoint: not a point of the group, or its identity.
	ErrPoint = errors.New("not a point of the group")
	// ErrUnsigned: the bundle has no signature.
	ErrUnsigned = errors.New("unsigned")
	// ErrSignature: no signer can be recovered, or s is in the upper half.
	ErrSignature = errors.New("invalid signature")
	// ErrPayloadHash: the ciphertext is not over the transaction hashes beside it.
	ErrPayloadHash = errors.New("payload hash differs from the transaction hashes")
)

// What can be wrong with keys, ciphertexts and shares.
var (
	// ErrKeys: the public keys contradict each other.
	ErrKeys = errors.New("inconsistent keys")
	// ErrErased: the key share was erased.
	ErrErased = errors.New("key share erased")
	// ErrCiphertext: the ciphertext's proof does not hold.
	ErrCiphertext = errors.New("ciphertext proof does not hold")
	// ErrShare: a decryption share is not the keyholder's share of the ciphertext.
	ErrShare = errors.New("decryption share does not hold")
	// ErrOpening: an opening is not the one of the ciphertext.
	ErrOpening = errors.New("opening does not hold")
	// ErrTooFewShares, ErrDuplicateShare, ErrUnknownAuthority: the shares cannot be combined.
	ErrTooFewShares     = errors.New("not enough shares")
	ErrDuplicateShare   = errors.New("two shares of one authority")
	ErrUnknownAuthority = errors.New("unknown authority")
	// ErrKeyHash: the ciphertext opens to another key than its sender promised.
	ErrKeyHash = errors.New("key hash differs")
	// ErrTxHash: a transaction decrypts to other bytes than its sender promised.
	ErrTxHash = errors.New("transaction hash differs")
)

// BadCiphertexts names the ciphertexts of a batch whose proof does not hold, ascending. It is an ErrCiphertext.
type BadCiphertexts struct{ Indexes []int }

func (e *BadCiphertexts) Error() string {
	return fmt.Sprintf("verify ciphertexts: %v: %v", ErrCiphertext, e.Indexes)
}

func (e *BadCiphertexts) Unwrap() error { return ErrCiphertext }

// MaxNamedOpenings bounds the bad openings that are named: they come from one sender, and one is enough to refuse all.
const MaxNamedOpenings = 8

// BadOpenings names what does not hold of a batch of ciphertexts with their openings, ascending. It is an ErrCiphertext if
// proofs are named, and an ErrOpening if openings are.
type BadOpenings struct {
	// Proofs are the ciphertexts whose proof does not hold.
	Proofs []int
	// Openings are those that are not of their ciphertext, at most MaxNamedOpenings of them.
	Openings []int
}

func (e *BadOpenings) Error() string {
	text := "verify openings"
	if len(e.Proofs) > 0 {
		text += fmt.Sprintf(": %v: %v", ErrCiphertext, e.Proofs)
	}
	if len(e.Openings) > 0 {
		text += fmt.Sprintf(": %v: %v", ErrOpening, e.Openings)
	}
	return text
}

func (e *BadOpenings) Unwrap() []error {
	var all []error
	if len(e.Proofs) > 0 {
		all = append(all, ErrCiphertext)
	}
	if len(e.Openings) > 0 {
		all = append(all, ErrOpening)
	}
	return all
}

// ShareFault is what is wrong with the shares of one keyholder.
type ShareFault struct {
	Authority uint8
	// Indexes of the ciphertexts with a bad share, ascending, at most MaxNamedShares of them: one is enough to convict,
	// and a keyholder that lies about everything must not cost a search for everything.
	Indexes []int
	// Reason is set instead when the set itself is wrong: too short, another authority's shares, an unknown authority.
	Reason error
}

// MaxNamedShares bounds the bad shares that are named for each keyholder.
const MaxNamedShares = 8

// BadShares names the keyholders of a batch whose shares do not hold, by authority. It is an ErrShare.
type BadShares struct{ Faults []ShareFault }

func (e *BadShares) Error() string {
	text := fmt.Sprintf("verify shares: %v:", ErrShare)
	for i, f := range e.Faults {
		if i > 0 {
			text += ";"
		}
		text += fmt.Sprintf(" authority %d", f.Authority)
		if f.Reason != nil {
			text += ": " + f.Reason.Error()
		} else {
			text += fmt.Sprintf(" at %v", f.Indexes)
		}
	}
	return text
}

func (e *BadShares) Unwrap() error { return ErrShare }
