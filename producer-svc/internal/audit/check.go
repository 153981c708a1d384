// Package audit compares what is published under the sequencer's key with what follows from the preblocks (rule E7).
//
// It guarantees: Check says whether the chunks of a blueprint, wherever they come from, are those that follow from this replica's
// own log; and a replica that follows takes a sample of what the leader publishes, one blueprint a second while blocks are made,
// and reports a difference once for each number. It halts nothing: replicas make their blocks from the preblocks, not from what is
// published.
//
// It asks of callers: a log of preblocks that the monitor has verified. What else is signed with a stolen key and goes to layer 1
// only, it does not see: somebody must give it to Check.
package audit

import (
	"bytes"
	"crypto/ed25519"
	"fmt"

	"blindseq/producer-svc/blueprint"

	"github.com/ethereum/go-ethereum/crypto"
)

// Finding is what Check says of a published blueprint. Published and Own are encoded; they are equal when it follows.
type Finding struct {
	Number         uint64
	Signed         bool // by the key that was given
	Published, Own []byte
}

// Follows says whether the published blueprint is the one that follows from the preblocks.
func (f Finding) Follows() bool { return bytes.Equal(f.Published, f.Own) }

// Hashes are the Keccak-256 hashes of both.
func (f Finding) Hashes() (published, own [32]byte) {
	return crypto.Keccak256Hash(f.Published), crypto.Keccak256Hash(f.Own)
}

// Check compares the chunks of a published blueprint with the one that follows from a replica's own log. key is who should have
// signed them; nil for nobody known. own gives the blueprint of a number.
func Check(key ed25519.PublicKey, chunks [][]byte, own func(number uint64) (blueprint.Blueprint, error)) (f Finding, err error) {
	number, published, err := blueprint.OpenUnverified(chunks)
	if err != nil {
		return f, fmt.Errorf("check blueprint: %w", err)
	}
	f.Number = number
	if len(key) == ed25519.PublicKeySize {
		_, _, bad := blueprint.Open(key, chunks)
		f.Signed = bad == nil
	}
	ours, err := own(number)
	if err == nil {
		f.Published, err = published.Encode()
	}
	if err == nil {
		f.Own, err = ours.Encode()
	}
	if err != nil {
		return f, fmt.Errorf("check blueprint %d: %w", number, err)
	}
	return f, nil
}
