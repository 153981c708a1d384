package ceremony

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"blindseq/seal"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// ErrInvalid says that a file is not that of a ceremony, or of one that cannot work.
var ErrInvalid = errors.New("invalid ceremony")

const (
	ceremonyDomain = "blindseq/dkg/ceremony/v2"
	maxFileBytes   = 256 << 10
	maxNameBytes   = 128
	maxHostBytes   = 253 + 6
)

// Ceremony is what the participants agreed on beforehand. All of them have the same file.
type Ceremony struct {
	// Name makes this ceremony another than those before it; one that failed is repeated with a new name.
	Name        string `json:"name"`
	ChainID     uint64 `json:"chain_id"`
	FirstNumber uint64 `json:"first_number"`
	Threshold   int    `json:"threshold"`
	// Limits of the chain; those that the file lacks take their defaults.
	committee.Limits
	// Roles of the chain: the sequencer's address, and relays.
	committee.Roles
	// Participants by authority: participant i gets share i.
	Participants []Participant `json:"participants"`
}

// Participant is a keyholder to be.
type Participant struct {
	// Identity is the address of the key it signs with, here and later as a keyholder.
	Identity common.Address `json:"identity"`
	// Endpoint is where its process listens during the ceremony, host:port.
	Endpoint string `json:"endpoint"`
}

// Read reads a ceremony's file.
func Read(path string) (*Ceremony, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read ceremony: %w", err)
	}
	defer f.Close() // only read
	b, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(b) > maxFileBytes {
		err = fmt.Errorf("%w: over %d bytes", ErrInvalid, maxFileBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("read ceremony %s: %w", path, err)
	}
	c, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("read ceremony %s: %w", path, err)
	}
	return c, nil
}

// Parse reads a ceremony and checks it. A field it does not know is refused: participants must mean the same.
func Parse(b []byte) (*Ceremony, error) {
	in := json.NewDecoder(bytes.NewReader(b))
	in.DisallowUnknownFields()
	c := new(Ceremony)
	if err := in.Decode(c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows it", ErrInvalid)
	}
	return c, c.Validate()
}

// Validate refuses what cannot end with a committee, or would end with one whose key somebody knows alone.
func (c *Ceremony) Validate() error {
	n := len(c.Participants)
	quorum := seal.Quorum(n)
	lowest := max(2, n-quorum+1) // who may be missing from a quorum opens nothing
	switch {
	case c.Name == "" || len(c.Name) > maxNameBytes:
		return fmt.Errorf("%w: a name of %d bytes, which must be within 1 and %d", ErrInvalid, len(c.Name), maxNameBytes)
	case n < 2 || n > seal.MaxAuthorities:
		return fmt.Errorf("%w: %d participants, which must be within 2 and %d", ErrInvalid, n, seal.MaxAuthorities)
	case c.Threshold < lowest || c.Threshold > quorum:
		return fmt.Errorf("%w: threshold %d, which must be within %d and the quorum %d of %d participants", ErrInvalid, c.Threshold, lowest, quorum, n)
	case c.FirstNumber == 0 || c.FirstNumber > 1<<62:
		return fmt.Errorf("%w: first number %d", ErrInvalid, c.FirstNumber)
	}
	if _, err := c.Limits.OrDefault(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := c.Roles.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	identities, endpoints := map[common.Address]bool{}, map[string]bool{}
	for i, p := range c.Participants {
		if _, port, err := net.SplitHostPort(p.Endpoint); err != nil || port == "" || len(p.Endpoint) > maxHostBytes {
			return fmt.Errorf("%w: participant %d: endpoint %.80q is not host:port", ErrInvalid, i, p.Endpoint)
		}
		if p.Identity == (common.Address{}) || identities[p.Identity] || endpoints[p.Endpoint] {
			return fmt.Errorf("%w: participant %d: identity and endpoint must be there and nobody else's", ErrInvalid, i)
		}
		identities[p.Identity], endpoints[p.Endpoint] = true, true
	}
	return nil
}

// ID names the ceremony: it covers all that the file says, whatever its white space.
func (c *Ceremony) ID() (common.Hash, error) {
	b, err := rlp.EncodeToBytes([]any{c.Name, c.ChainID, c.FirstNumber, uint64(c.Threshold), c.Lifetime, c.SealedGas, c.Sequencers, c.Relays, c.Participants})
	if err != nil {
		return common.Hash{}, fmt.Errorf("hash ceremony: %w", err)
	}
	return crypto.Keccak256Hash([]byte(ceremonyDomain), b), nil
}

// Find returns the place of an identity.
func (c *Ceremony) Find(identity common.Address) (uint8, error) {
	for i, p := range c.Participants {
		if p.Identity == identity {
			return uint8(i), nil
		}
	}
	return 0, fmt.Errorf("%w: %s is no participant", ErrInvalid, identity)
}
