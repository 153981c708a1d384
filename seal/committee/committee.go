// Package committee is what everybody must know about the keyholders: who they are, with which keys, and for which chain. A
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
	"slices"

	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// ErrInvalid says that a file is not that of a committee, or of one that cannot work.
var ErrInvalid = errors.New("invalid committee")

// hashDomain separates the hash from hashes of anything else.
const hashDomain = "blindseq/committee/v3"

// maxFileBytes bounds what is read; the file of 255 keyholders is under 100 KiB.
const maxFileBytes = 1 << 20

// Default limits of a chain.
const (
	DefaultLifetime  = 50_000
	DefaultSealedGas = 15_000_000
)

// minSealedGas is the gas of a transfer: with less, no sealed transaction could be ordered.
const minSealedGas = 21_000

// Limits are constants of the chain that rules of contents use.
type Limits struct {
	// Lifetime is for how many numbers a sealed transaction may be ordered, and a submitter's seq is remembered.
	Lifetime uint64 `json:"lifetime"`
	// SealedGas bounds the sum of the gas of all sealed transactions of a content.
	SealedGas uint64 `json:"sealed_gas"`
}

// OrDefault returns the limits with the defaults for those that are zero, and refuses those that no chain can work with.
func (l Limits) OrDefault() (Limits, error) {
	if l.Lifetime == 0 {
		l.Lifetime = DefaultLifetime
	}
	if l.SealedGas == 0 {
		l.SealedGas = DefaultSealedGas
	}
	switch {
	case l.Lifetime > 1<<32:
		return l, fmt.Errorf("%w: lifetime %d is over %d", ErrInvalid, l.Lifetime, uint64(1)<<32)
	case l.SealedGas < minSealedGas:
		return l, fmt.Errorf("%w: sealed gas %d is below that of a transfer, %d", ErrInvalid, l.SealedGas, minSealedGas)
	}
	return l, nil
}

// Roles are the accounts, other than keyholders, that rules name.
type Roles struct {
	// Sequencers own the views of each number: only their proposals are attested. There is one today.
	Sequencers []common.Address `json:"sequencers"`
	// Relays are submitters whose transactions are barred when they were opened and ended, as if their own sender had sealed
	// them (rule E4).
	Relays []common.Address `json:"relays,omitempty"`
}

// maxRelays bounds the file.
const maxRelays = 255

// Check refuses roles that no committee can have.
func (r Roles) Check() error {
	switch {
	case len(r.Sequencers) != 1:
		return fmt.Errorf("%w: %d sequencers, exactly one is needed: give the address of its identity key", ErrInvalid, len(r.Sequencers))
	case len(r.Relays) > maxRelays:
		return fmt.Errorf("%w: %d relays, at most %d", ErrInvalid, len(r.Relays), maxRelays)
	}
	for what, list := range map[string][]common.Address{"sequencer": r.Sequencers, "relay": r.Relays} {
		for i, a := range list {
			if a == (common.Address{}) || slices.Contains(list[:i], a) {
				return fmt.Errorf("%w: %s %d has address %s, which is zero or another one's", ErrInvalid, what, i, a)
			}
		}
	}
	return nil
}

func (r Roles) clone() Roles { return Roles{slices.Clone(r.Sequencers), slices.Clone(r.Relays)} }

// Committee is a set of keyholders. It never changes; other keyholders, keys, limits or roles are another committee.
type Committee struct {
	ChainID uint64
	// First is the first blueprint number this committee attests. Its predecessor is 32 zero bytes.
	First  uint64
	Keys   *seal.Keys
	Limits Limits
	Roles  Roles

	members []common.Address
	ring    *seal.Ring
	hash    common.Hash
}

// file is how a committee is written.
type file struct {
	ChainID uint64 `json:"chain_id"`
	First   uint64 `json:"first_number"`
	Limits
	Roles
	Threshold int        `json:"threshold"`
	Key       seal.Point `json:"key"`
	Members   []member   `json:"members"`
}

type member struct {
	Address common.Address `json:"address"`
	Share   seal.Point     `json:"share"` // public key of its share
}

// New puts a committee together: member i signs with members[i] and has share i of keys. Zero limits take the defaults.
func New(first uint64, members []common.Address, keys *seal.Keys, limits Limits, roles Roles) (*Committee, error) {
	limits, err := limits.OrDefault()
	if err == nil {
		err = roles.Check()
	}
	switch {
	case err != nil:
		return nil, err
	case keys == nil:
		return nil, fmt.Errorf("%w: no keys", ErrInvalid)
	case first == 0 || first > 1<<62:
		return nil, fmt.Errorf("%w: first number %d", ErrInvalid, first)
	case keys.Keyholders() != len(members):
		return nil, fmt.Errorf("%w: %d members, keys of %d", ErrInvalid, len(members), keys.Keyholders())
	}
	for i, a := range members {
		if a == (common.Address{}) || slices.Contains(members[:i], a) {
			return nil, fmt.Errorf("%w: member %d has address %s, which is zero or another member's", ErrInvalid, i, a)
		}
	}
	ring, err := seal.NewRing(keys.ChainID(), keys.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	c := &Committee{ChainID: keys.ChainID(), First: first, Keys: keys, Limits: limits, Roles: roles.clone(), members: slices.Clone(members), ring: ring}
	c.hash, err = c.computeHash()
	return c, err
}

// computeHash is keccak256(domain || RLP [chain id, first number, lifetime, sealed gas, threshold, key, [[address, share], ...],
// [sequencer, ...], [relay, ...]]).
func (c *Committee) computeHash() (common.Hash, error) {
	type wire struct {
		ChainID, First, Lifetime, SealedGas, Threshold uint64
		Key                                            seal.Point
		Members                                        []member
		Sequencers, Relays                             []common.Address
	}
	members, err := c.withShares()
	if err != nil {
		return common.Hash{}, err
	}
	b, err := rlp.EncodeToBytes(wire{
		c.ChainID, c.First, c.Limits.Lifetime, c.Limits.SealedGas, uint64(c.Keys.Threshold()), c.Keys.Point(), members,
		c.Roles.Sequencers, c.Roles.Relays,
	})
	if err != nil {
		return common.Hash{}, fmt.Errorf("hash committee: %w", err)
	}
	return crypto.Keccak256Hash([]byte(hashDomain), b), nil
}

func (c *Committee) withShares() ([]member, error) {
	out := make([]member, len(c.members))
	for i, a := range c.members {
		share, err := c.Keys.Share(uint8(i))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		out[i] = member{a, share}
	}
	return out, nil
}

// Hash identifies the committee: chain, first number, limits, roles, members and keys.
func (c *Committee) Hash() common.Hash { return c.hash }

// Size is the number of members; their authorities are the numbers below.
func (c *Committee) Size() int { return len(c.members) }

// Quorum is how many members must attest.
func (c *Committee) Quorum() int { return seal.Quorum(len(c.members)) }

// Members returns the addresses by authority.
func (c *Committee) Members() []common.Address { return slices.Clone(c.members) }

// Owner is the sequencer that proposes in a view.
func (c *Committee) Owner(view uint64) common.Address {
	return c.Roles.Sequencers[view%uint64(len(c.Roles.Sequencers))]
}

// IsRelay tells whether a submitter is a relay (Roles).
func (c *Committee) IsRelay(submitter common.Address) bool {
	return slices.Contains(c.Roles.Relays, submitter)
}

// Ring is the committee's key, to check sealed transactions with.
func (c *Committee) Ring() *seal.Ring { return c.ring }

// Address returns what an authority signs with.
func (c *Committee) Address(authority uint32) (common.Address, bool) {
	if uint64(authority) >= uint64(len(c.members)) {
		return common.Address{}, false
	}
	return c.members[authority], true
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

// ErrFormat1 is the file of a committee of blindseq 0.1, whose keys are of another scheme.
var ErrFormat1 = errors.New("it is a committee of blindseq 0.1, whose keys cannot be used: make new keys with `dsn-node keygen` or `dsn-node dkg`, and a new chain")

// UnmarshalJSON reads a committee and checks it.
func (c *Committee) UnmarshalJSON(b []byte) error {
	var in file
	var old struct {
		Keys json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(b, &old) == nil && old.Keys != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, ErrFormat1)
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if in.Lifetime == 0 || in.SealedGas == 0 {
		return fmt.Errorf("%w: lifetime and sealed_gas must be set", ErrInvalid)
	}
	members, shares := make([]common.Address, len(in.Members)), make([]seal.Point, len(in.Members))
	for i, m := range in.Members {
		members[i], shares[i] = m.Address, m.Share
	}
	keys, err := seal.NewKeys(in.ChainID, in.Threshold, in.Key, shares)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	read, err := New(in.First, members, keys, in.Limits, in.Roles)
	if err != nil {
		return err
	}
	*c = *read
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (c *Committee) MarshalJSON() ([]byte, error) {
	members, err := c.withShares()
	if err != nil {
		return nil, err
	}
	return json.Marshal(file{
		ChainID: c.ChainID, First: c.First, Limits: c.Limits, Roles: c.Roles, Threshold: c.Keys.Threshold(), Key: c.Keys.Point(), Members: members,
	})
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
