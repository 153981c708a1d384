package attest

import (
	"crypto/ecdsa"
	"fmt"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

const sharesDomain = "blindseq/shares/v2"

// wireShares is what the signature of SignedShares covers, besides domain and committee.
type wireShares struct {
	Number  uint64
	Payload common.Hash
	Answers []wireAnswer
}

type wireAnswer struct {
	Index uint32
	ID    []byte
	Share []byte
	Proof []byte
}

// sharesDigest is keccak256( "blindseq/shares/v2" || committee hash || RLP [number, payload hash, [[index, id, share, proof],
// ...]] ). Shares are signed so that a wrong one convicts its maker: a point alone does not say who sent it. The id ties each
// to its sealed transaction without the whole content at hand.
func sharesDigest(c *committee.Committee, s *keyholderv1.SignedShares) (common.Hash, error) {
	if len(s.GetPayloadHash()) != 32 {
		return common.Hash{}, fmt.Errorf("%w: payload hash of %d bytes", ErrMalformed, len(s.GetPayloadHash()))
	}
	wire := wireShares{Number: s.GetNumber(), Payload: common.Hash(s.GetPayloadHash())}
	for _, a := range s.GetAnswers() {
		wire.Answers = append(wire.Answers, wireAnswer{a.GetIndex(), a.GetId(), a.GetShare(), a.GetProof()})
	}
	b, err := rlp.EncodeToBytes(&wire)
	if err != nil {
		return common.Hash{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	committeeHash := c.Hash()
	return crypto.Keccak256Hash([]byte(sharesDomain), committeeHash[:], b), nil
}

// SignShares sets the signature of the answers.
func SignShares(c *committee.Committee, key *ecdsa.PrivateKey, s *keyholderv1.SignedShares) error {
	digest, err := sharesDigest(c, s)
	if err == nil {
		s.Signature, err = sign(key, digest)
	}
	if err != nil {
		return fmt.Errorf("sign shares of number %d: %w", s.GetNumber(), err)
	}
	return nil
}

// VerifyShares checks that the authority named in the answers signed them; not whether they are right.
func VerifyShares(c *committee.Committee, s *keyholderv1.SignedShares) error {
	digest, err := sharesDigest(c, s)
	if err == nil {
		err = verify(c, s.GetAuthority(), s.GetSignature(), digest)
	}
	if err != nil {
		return fmt.Errorf("verify shares of number %d: %w", s.GetNumber(), err)
	}
	return nil
}
