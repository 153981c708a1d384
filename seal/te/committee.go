package te

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// Quorum is how many of n keyholders must attest: n - ⌊(n+1)/4⌋. Of n = 4f - 1 keyholders f may be silent, and two quorums
// share at least 2f - 1, so it takes that many liars to certify two lists.
func Quorum(n int) int { return n - (n+1)/4 }

// Committee is the keyholders by the addresses they attest with, distinct, in the order of their authority numbers.
type Committee struct{ members []common.Address }

type wireCommittee struct{ Members []common.Address }

// maxCommitteeBytes is the encoding of the largest committee: 21 bytes a member and two list headers.
const maxCommitteeBytes = MaxAuthorities*21 + 6

// NewCommittee checks that there are members, not too many, and all different.
func NewCommittee(members []common.Address) (*Committee, error) {
	if len(members) == 0 || len(members) > MaxAuthorities {
		return nil, fmt.Errorf("make committee: %w: %d members", ErrTooLarge, len(members))
	}
	seen := make(map[common.Address]bool, len(members))
	for _, m := range members {
		if seen[m] {
			return nil, fmt.Errorf("make committee: %w: %s", ErrDuplicateAuthority, m)
		}
		seen[m] = true
	}
	return &Committee{slices.Clone(members)}, nil
}

// DecodeCommittee reads a committee.
func DecodeCommittee(b []byte) (*Committee, error) {
	if len(b) > maxCommitteeBytes {
		return nil, fmt.Errorf("decode committee: %w: %d bytes", ErrTooLarge, len(b))
	}
	var wire wireCommittee
	if err := rlp.DecodeBytes(b, &wire); err != nil {
		return nil, fmt.Errorf("decode committee: %w: %w", ErrMalformed, err)
	}
	c, err := NewCommittee(wire.Members)
	if err != nil {
		return nil, fmt.Errorf("decode committee: %w", err)
	}
	return c, nil
}

// Encode writes the committee.
func (c *Committee) Encode() []byte { return encode(&wireCommittee{c.members}) }

// Members returns the addresses.
func (c *Committee) Members() []common.Address { return slices.Clone(c.members) }

// Quorum is how many members must attest.
func (c *Committee) Quorum() int { return Quorum(len(c.members)) }

// Authority returns the number of a member.
func (c *Committee) Authority(member common.Address) (uint8, bool) {
	i := slices.Index(c.members, member)
	return uint8(max(i, 0)), i >= 0
}
