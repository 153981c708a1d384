// Package committee is what everybody must know of the keyholders: who they are, with which keys, and for which chain. A
// committee is one file, the same for keyholders, sequencer, monitors and bundlers.
//
// It guarantees that a committee that was read is complete and consistent, so nothing of it is checked again, and that
// its Hash differs from that of every other one: whatever is signed or shown for a committee names it by this hash.
package committee

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// ErrInvalid says that a file is not that of a committee, or of one that cannot work.
var ErrInvalid = errors.New("invalid committee")

// hashDomain separates the hash from hashes of anything else.
const hashDomain = "blindseq/committee/v1"

// maxFileBytes bounds what is read; the file of 255 keyholders is under 200 KiB.
const maxFileBytes = 1 << 20

// Committee is a set of keyholders. It never changes; other keyholders or keys are another committee.
type Committee struct {
	ChainID uint64
	// First is the first blueprint number this committee attests. Its predecessor is 32 zero bytes.
	First   uint64
	Members *te.Committee
	Keys    *te.PublicKeys

	addresses []common.Address
	hash      common.Hash
}

// file is how a committee is written.
type file struct {
	ChainID uint64           `json:"chain_id"`
	First   uint64           `json:"first_number"`
	Members []common.Address `json:"members"`
	Keys    *te.PublicKeys   `json:"keys"`
}

// New puts a committee together: member i signs with members[i] and has share i of keys.
func New(chainID, first uint64, members []common.Address, keys *te.PublicKeys) (*Committee, error) {
	c, err := te.NewCommittee(members)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	case keys == nil:
		return nil, fmt.Errorf("%w: no keys", ErrInvalid)
	case first == 0 || first > 1<<62:
		return nil, fmt.Errorf("%w: first number %d", ErrInvalid, first)
	case keys.Keyholders() != len(members):
		return nil, fmt.Errorf("%w: %d members, keys of %d", ErrInvalid, len(members), keys.Keyholders())
	case keys.Threshold() > c.Quorum():
		return nil, fmt.Errorf("%w: threshold %d is over the quorum %d, which must suffice for a block", ErrInvalid, keys.Threshold(), c.Quorum())
	}
	out := &Committee{ChainID: chainID, First: first, Members: c, Keys: keys, addresses: c.Members()}
	out.hash, err = out.computeHash()
	return out, err
}

// computeHash is keccak256(domain || RLP [chain id, first number, [address, ...], threshold, master key, [[G1, G2], ...]]).
func (c *Committee) computeHash() (common.Hash, error) {
	var shares [][2][]byte
	for i := range c.addresses {
		s, err := c.Keys.Share(uint8(i))
		if err != nil {
			return common.Hash{}, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		g1, g2 := s.G1(), s.G2()
		shares = append(shares, [2][]byte{g1[:], g2[:]})
	}
	master := c.Keys.Master().Bytes()
	b, err := rlp.EncodeToBytes([]any{c.ChainID, c.First, c.addresses, uint64(c.Keys.Threshold()), master[:], shares})
	if err != nil {
		return common.Hash{}, fmt.Errorf("hash committee: %w", err)
	}
	return crypto.Keccak256Hash([]byte(hashDomain), b), nil
}

// Hash identifies the committee: chain, first number, members and keys.
func (c *Committee) Hash() common.Hash { return c.hash }

// Size is how many members there are; their authorities are the numbers below.
func (c *Committee) Size() int { return len(c.addresses) }

// Quorum is how many must attest.
func (c *Committee) Quorum() int { return c.Members.Quorum() }

// Address returns what an authority signs with.
func (c *Committee) Address(authority uint32) (common.Address, bool) {
	if uint64(authority) >= uint64(len(c.addresses)) {
		return common.Address{}, false
	}
	return c.addresses[authority], true
}

// Read reads a committee's file.
func Read(path string) (*Committee, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read committee: %w", err)
	}
	defer f.Close() // only read
	b, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(b) > maxFileBytes {
		err = fmt.Errorf("%w: over %d bytes", ErrInvalid, maxFileBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("read committee %s: %w", path, err)
	}
	c := new(Committee)
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("read committee %s: %w", path, err)
	}
	return c, nil
}

// UnmarshalJSON reads a committee and checks it.
func (c *Committee) UnmarshalJSON(b []byte) error {
	var in file
	if err := json.Unmarshal(b, &in); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	read, err := New(in.ChainID, in.First, in.Members, in.Keys)
	if err != nil {
		return err
	}
	*c = *read
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (c *Committee) MarshalJSON() ([]byte, error) {
	return json.Marshal(file{ChainID: c.ChainID, First: c.First, Members: c.addresses, Keys: c.Keys})
}

// Write writes the file to a new path; one that is there stays as it is.
func (c *Committee) Write(path string) error {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("write committee: %w", err)
	}
	if err := publish(path, append(b, '\n')); err != nil {
		return fmt.Errorf("write committee: %w", err)
	}
	return nil
}

// publish makes a file appear whole and durable, or not at all, also when the process is killed meanwhile.
func publish(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path) // unlike a rename, it never replaces a file
}
