package attest

import (
	"crypto/ecdsa"
	"encoding/binary"
	"errors"
	"fmt"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// ErrViewChange says that statements do not open a view.
var ErrViewChange = errors.New("view change does not hold")

const viewChangeDomain = "blindseq/view-change/v1"

// Locked is a statement with the view of the certificate over it; the zero value is none.
type Locked struct {
	Statement Statement
	View      uint64
}

// viewChangeDigest is keccak256( "blindseq/view-change/v1" || committee hash, 32 || number, 8 bytes || view, 8 bytes || view of
// the certificate, 8 bytes || payload hash of its statement, 32 ), with zeros without a certificate.
func viewChangeDigest(c *committee.Committee, number, view uint64, locked Locked) common.Hash {
	var payload common.Hash
	if locked.Statement != (Statement{}) {
		payload = locked.Statement.Hash()
	}
	ours, numbers := c.Hash(), make([]byte, 0, 24)
	for _, n := range []uint64{number, view, locked.View} {
		numbers = binary.BigEndian.AppendUint64(numbers, n)
	}
	return crypto.Keccak256Hash([]byte(viewChangeDomain), ours[:], numbers, payload[:])
}

// SignViewChange states that an authority has left all views of a number below one. The certificate is that of the highest view
// in which it has locked a content of the number, nil for none.
func SignViewChange(c *committee.Committee, key *ecdsa.PrivateKey, authority uint8, number, view uint64, cert *preblockv1.Certificate) (*keyholderv1.ViewChange, error) {
	var locked Locked
	if cert != nil {
		s, err := statementOf(c, cert)
		if err != nil {
			return nil, fmt.Errorf("change view of number %d: %w", number, err)
		}
		locked, cert = Locked{s, cert.GetView()}, Final(cert, nil)
	}
	signature, err := sign(key, viewChangeDigest(c, number, view, locked))
	if err != nil {
		return nil, fmt.Errorf("change view of number %d: %w", number, err)
	}
	return &keyholderv1.ViewChange{Authority: uint32(authority), Number: number, View: view, Certificate: cert, Signature: signature}, nil
}

// VerifyViewChange checks that an authority made a statement and that the certificate in it holds, and returns what it has locked.
func VerifyViewChange(c *committee.Committee, m *keyholderv1.ViewChange) (Locked, error) {
	locked, err := verifyViewChange(c, m)
	if err != nil {
		return Locked{}, fmt.Errorf("verify view change of authority %d: %w: %w", m.GetAuthority(), ErrViewChange, err)
	}
	return locked, nil
}

func verifyViewChange(c *committee.Committee, m *keyholderv1.ViewChange) (locked Locked, err error) {
	if cert := m.GetCertificate(); cert != nil {
		if locked.Statement, err = Verify(c, cert); err != nil {
			return Locked{}, err
		}
		if locked.View = cert.GetView(); cert.GetNumber() != m.GetNumber() || locked.View >= m.GetView() {
			return Locked{}, fmt.Errorf("the certificate is of number %d and view %d", cert.GetNumber(), locked.View)
		}
	}
	return locked, verify(c, m.GetAuthority(), m.GetSignature(), viewChangeDigest(c, m.GetNumber(), m.GetView(), locked))
}

// Opens checks that a quorum of different authorities, ascending, has gone to a view of a number, and returns the statement that
// has to be proposed there: that of the highest certificate they show, the zero value when they show none and any may be.
//
// What is final in a lower view was locked there by a quorum, and no honest one of them locked it after it had left the view. Each
// quorum of statements has an honest one of them, so it shows that content; and by the same rule no certificate of a view in
// between is over another one.
func Opens(c *committee.Committee, number, view uint64, changes []*keyholderv1.ViewChange) (Statement, error) {
	var highest Locked
	err := func() error {
		if view == 0 || len(changes) < c.Quorum() || len(changes) > c.Size() {
			return fmt.Errorf("%d statements, the quorum is %d", len(changes), c.Quorum())
		}
		for i, m := range changes {
			switch {
			case i > 0 && m.GetAuthority() <= changes[i-1].GetAuthority():
				return errors.New("authorities are not ascending")
			case m.GetNumber() != number || m.GetView() != view:
				return fmt.Errorf("authority %d went to view %d of number %d", m.GetAuthority(), m.GetView(), m.GetNumber())
			}
			locked, err := verifyViewChange(c, m)
			if err != nil {
				return fmt.Errorf("authority %d: %w", m.GetAuthority(), err)
			}
			if locked.Statement != (Statement{}) && (highest.Statement == (Statement{}) || locked.View > highest.View) {
				highest = locked
			}
		}
		return nil
	}()
	if err != nil {
		return Statement{}, fmt.Errorf("open view %d of number %d: %w: %w", view, number, ErrViewChange, err)
	}
	return highest.Statement, nil
}
