package te

import (
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// testCommittee has n members whose keys are bytes 1, 2 and so on.
func testCommittee(t testing.TB, n int) *Committee {
	t.Helper()
	var members []common.Address
	for i := range n {
		members = append(members, crypto.PubkeyToAddress(testKey(t, byte(i+1)).PublicKey))
	}
	c, err := NewCommittee(members)
	noError(t, err)
	return c
}

// certified is a certificate with attestations of the keys with these bytes.
func certified(t testing.TB, keys ...byte) *Certificate {
	t.Helper()
	c := &Certificate{ContentHash: ContentHash([][]byte{{0xc0}}), PreviousHash: common.Hash{9}}
	for _, k := range keys {
		s, err := Attest(testKey(t, k), c.ContentHash, c.PreviousHash)
		noError(t, err)
		c.Attestations = append(c.Attestations, s)
	}
	return c
}

func TestCertificatesReportTheFirstFault(t *testing.T) {
	committee := testCommittee(t, 4) // quorum 3
	with := func(c *Certificate, change func(*Certificate)) *Certificate {
		change(c)
		return c
	}
	invalid := func(at int) func(*Certificate) {
		return func(c *Certificate) { c.Attestations[at] = Signature{} }
	}
	for _, c := range []struct {
		name string
		cert *Certificate
		want error
	}{
		{"a quorum", certified(t, 1, 2, 3), nil},
		{"in another order", certified(t, 4, 1, 2), nil},
		{"everybody", certified(t, 1, 2, 3, 4), nil},
		{"genesis", Genesis(), ErrNotEnoughAttestations},
		{"too few", certified(t, 1, 2), ErrNotEnoughAttestations},
		{"too few and invalid", with(certified(t, 1, 2), invalid(0)), ErrNotEnoughAttestations},
		{"invalid", with(certified(t, 1, 2, 3), invalid(2)), ErrInvalidAttestation},
		{"invalid after a duplicate and a stranger", with(certified(t, 1, 1, 9, 3), invalid(3)), ErrInvalidAttestation},
		{"duplicate", certified(t, 1, 2, 1), ErrDuplicateAuthority},
		{"duplicate beyond the quorum", certified(t, 1, 2, 3, 3), ErrDuplicateAuthority},
		{"duplicate after a stranger", certified(t, 9, 1, 2, 2), ErrDuplicateAuthority},
		{"stranger", certified(t, 1, 2, 9), ErrNotInCommittee},
		{"stranger beyond the quorum", certified(t, 1, 2, 3, 9), ErrNotInCommittee},
		{"another content", with(certified(t, 1, 2, 3), func(c *Certificate) { c.ContentHash[0] ^= 1 }), ErrNotInCommittee},
		{"another place", with(certified(t, 1, 2, 3), func(c *Certificate) { c.PreviousHash[0] ^= 1 }), ErrNotInCommittee},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.cert.Verify(committee)
			// A changed hash recovers to some other address, or rarely to none.
			if errors.Is(c.want, ErrNotInCommittee) && errors.Is(err, ErrInvalidAttestation) {
				return
			}
			errorIs(t, err, c.want)
		})
	}
}

func TestCertificatesAndCommitteesAreReadAsWritten(t *testing.T) {
	for _, c := range []*Certificate{certified(t, 1, 2, 3), certified(t)} {
		read, err := DecodeCertificate(c.Encode())
		noError(t, err)
		equal(t, c.Encode(), read.Encode())
		equal(t, c.Hash(), read.Hash())
		_, err = DecodeCertificate(append(c.Encode(), 0))
		errorIs(t, err, ErrMalformed)
	}
	genesis, err := DecodeCertificate(Genesis().Encode())
	noError(t, err)
	if !genesis.IsGenesis() || certified(t, 1).IsGenesis() {
		t.Fatal("genesis is not told apart")
	}
	for _, n := range []int{1, 4, 64} {
		c := testCommittee(t, n)
		read, err := DecodeCommittee(c.Encode())
		noError(t, err)
		equal(t, c, read)
		equal(t, n, len(read.Members()))
		for i, m := range read.Members() {
			authority, ok := read.Authority(m)
			equal(t, true, ok)
			equal(t, uint8(i), authority)
		}
	}
	if _, ok := testCommittee(t, 2).Authority(common.Address{1}); ok {
		t.Fatal("a stranger has an authority number")
	}
}

func TestCommitteesAreDistinctAndBounded(t *testing.T) {
	_, err := NewCommittee(nil)
	errorIs(t, err, ErrTooLarge)
	_, err = NewCommittee([]common.Address{{1}, {2}, {1}})
	errorIs(t, err, ErrDuplicateAuthority)
	many := make([]common.Address, MaxAuthorities+1)
	for i := range many {
		many[i] = common.Address{byte(i), byte(i >> 8)}
	}
	_, err = NewCommittee(many)
	errorIs(t, err, ErrTooLarge)
	largest, err := NewCommittee(many[:MaxAuthorities])
	noError(t, err)
	_, err = DecodeCommittee(largest.Encode())
	noError(t, err)
	_, err = DecodeCommittee(encode(&wireCommittee{many}))
	errorIs(t, err, ErrTooLarge)

	full := &Certificate{Attestations: make([]Signature, MaxAuthorities)}
	_, err = DecodeCertificate(full.Encode())
	noError(t, err)
	full.Attestations = append(full.Attestations, Signature{})
	_, err = DecodeCertificate(full.Encode())
	errorIs(t, err, ErrTooLarge)
	errorIs(t, full.Verify(largest), ErrTooLarge)
}
