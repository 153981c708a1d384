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

const sharesDomain = "blindseq/shares/v1"

// wireShares is what the signature of SignedShares covers, besides domain and committee.
type wireShares struct {
	Number  uint64
	Payload common.Hash
	Answers []wireAnswer
}

type wireAnswer struct {
	Index         uint32
	Bundle        []byte
	Share         []byte
	Refusal       uint32
	EarlierNumber uint64
	EarlierIndex  uint32
}

// sharesDigest is keccak256( "blindseq/shares/v1" || committee hash || RLP [number, payload hash, [[index, bundle hash,
// share, refusal, earlier number, earlier index], ...]] ). Shares are signed so that a wrong one convicts its maker: by
// itself a point says not who sent it. The bundle's hash ties each to its
// bundle without the whole content at hand; the ciphertext's id would not, for a refusal is about the proof too.
func sharesDigest(c *committee.Committee, s *keyholderv1.SignedShares) (common.Hash, error) {
	if len(s.GetPayloadHash()) != 32 {
		return common.Hash{}, fmt.Errorf("%w: payload hash of %d bytes", ErrMalformed, len(s.GetPayloadHash()))
	}
	wire := wireShares{Number: s.GetNumber(), Payload: common.Hash(s.GetPayloadHash())}
	for _, a := range s.GetAnswers() {
		if a.GetRefusal() < 0 {
			return common.Hash{}, fmt.Errorf("%w: refusal %d", ErrMalformed, a.GetRefusal())
		}
		wire.Answers = append(wire.Answers, wireAnswer{
			a.GetIndex(), a.GetBundleHash(), a.GetShare(), uint32(a.GetRefusal()), a.GetEarlierNumber(), a.GetEarlierIndex(),
		})
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
