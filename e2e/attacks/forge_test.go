package attacks

import (
	"crypto/ecdsa"
	"testing"

	"blindseq/seal"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// fields are the names of a sealed transaction's fields, in their order.
var fields = []string{"chain", "key", "submitter", "seq", "gas", "fee", "expiry", "u", "second u", "w", "second w", "f", "payload", "signature"}

// taken apart is a sealed transaction as an attacker sees it who has seen its bytes.
func takenApart(t *testing.T, raw []byte) (parts [][]byte) {
	t.Helper()
	must(t, rlp.DecodeBytes(raw[1:], &parts))
	if len(parts) != len(fields) {
		t.Fatalf("%d fields", len(parts))
	}
	return parts
}

func putTogether(t *testing.T, parts [][]byte) []byte {
	t.Helper()
	b, err := rlp.EncodeToBytes(parts)
	must(t, err)
	return append([]byte{seal.Type}, b...)
}

// resigned makes the attacker the submitter, and signs as the page on sealed transactions says.
func resigned(t *testing.T, parts [][]byte, attacker *ecdsa.PrivateKey) []byte {
	t.Helper()
	parts[2] = crypto.PubkeyToAddress(attacker.PublicKey).Bytes()
	id := crypto.Keccak256(putTogether(t, parts[:len(parts)-1]))
	signature, err := crypto.Sign(crypto.Keccak256([]byte("blindseq/seal/v2/submit"), id), attacker)
	must(t, err)
	parts[len(parts)-1] = signature
	return putTogether(t, parts)
}

// copies are the victim's bytes with one bit of each field changed, and the same under the attacker's own signature. None is
// the victim's.
func copies(t *testing.T, victim []byte) map[string][]byte {
	t.Helper()
	attacker, err := crypto.GenerateKey()
	must(t, err)
	out := map[string][]byte{"as it is, signed by the attacker": resigned(t, takenApart(t, victim), attacker)}
	for i, name := range fields {
		for _, sign := range []bool{false, true} {
			parts := takenApart(t, victim)
			if len(parts[i]) == 0 {
				parts[i] = []byte{1} // a number that was zero
			} else {
				parts[i][len(parts[i])-1] ^= 1
			}
			if len(parts[i]) == 1 && parts[i][0] == 0 {
				parts[i] = []byte{2}
			}
			if sign && i != len(fields)-1 {
				out["another "+name+", signed by the attacker"] = resigned(t, parts, attacker)
			} else if !sign {
				out["another "+name] = putTogether(t, parts)
			}
		}
	}
	return out
}
