package te

import (
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// jsonKeys is how public keys are written in files and answers: the keyholder of authority i at index i of shares.
type jsonKeys struct {
	Threshold int             `json:"threshold"`
	Master    MasterPublicKey `json:"master"`
	Shares    []jsonShare     `json:"shares"`
}

type jsonShare struct {
	G1 hexutil.Bytes `json:"g1"`
	G2 hexutil.Bytes `json:"g2"`
}

// MarshalJSON writes threshold, master key and the public shares in the order of authorities.
func (k *PublicKeys) MarshalJSON() ([]byte, error) {
	out := jsonKeys{Threshold: k.threshold, Master: k.master}
	for _, s := range k.shares {
		g1, g2 := s.G1(), s.G2()
		out.Shares = append(out.Shares, jsonShare{g1[:], g2[:]})
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads public keys and checks that they belong together.
func (k *PublicKeys) UnmarshalJSON(b []byte) error {
	var in jsonKeys
	if err := json.Unmarshal(b, &in); err != nil {
		return fmt.Errorf("decode public keys: %w: %w", ErrMalformed, err)
	}
	if len(in.Shares) > MaxAuthorities {
		return fmt.Errorf("decode public keys: %w: %d shares", ErrTooLarge, len(in.Shares))
	}
	shares := make([]*PublicShare, len(in.Shares))
	for i, s := range in.Shares {
		var err error
		if shares[i], err = NewPublicShare(uint8(i), s.G1, s.G2); err != nil {
			return fmt.Errorf("decode public keys: %w", err)
		}
	}
	keys, err := NewPublicKeys(in.Threshold, in.Master, shares)
	if err != nil {
		return fmt.Errorf("decode public keys: %w", err)
	}
	*k = *keys
	return nil
}
