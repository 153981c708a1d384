package te

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// bytesOf is hex without 0x.
type bytesOf []byte

func (b *bytesOf) UnmarshalText(text []byte) (err error) {
	*b, err = hexutil.Decode("0x" + string(text))
	return err
}

type vectors struct {
	HashToScalarABC      bytesOf   `json:"hash_to_scalar_abc"`
	MasterPublicKey      bytesOf   `json:"master_public_key"`
	U                    bytesOf   `json:"u"`
	Y                    bytesOf   `json:"y"`
	TxHashes             []bytesOf `json:"tx_hashes"`
	EncryptedTxStarts    []bytesOf `json:"encrypted_tx_starts"`
	PayloadHash          bytesOf   `json:"payload_hash"`
	EncryptedKey         bytesOf   `json:"encrypted_key"`
	KeyHash              bytesOf   `json:"key_hash"`
	H                    bytesOf   `json:"h"`
	W                    bytesOf   `json:"w"`
	Ciphertext           bytesOf   `json:"ciphertext"`
	CiphertextLength     int       `json:"ciphertext_length"`
	PayloadKeccak        bytesOf   `json:"payload_keccak"`
	PayloadLength        int       `json:"payload_length"`
	SigningHash          bytesOf   `json:"signing_hash"`
	Signature            bytesOf   `json:"signature"`
	Signer               bytesOf   `json:"signer"`
	UnsignedBundleKeccak bytesOf   `json:"unsigned_bundle_keccak"`
	UnsignedBundleLength int       `json:"unsigned_bundle_length"`
	SignedBundleHash     bytesOf   `json:"signed_bundle_hash"`
	SignedBundleLength   int       `json:"signed_bundle_length"`
	SignedBundleStart    bytesOf   `json:"signed_bundle_start"`
	SignedBundle         bytesOf   `json:"signed_bundle"`
	Shares               []struct {
		Secret uint64  `json:"secret"`
		Point  bytesOf `json:"point"`
		RLP    bytesOf `json:"rlp"`
	} `json:"shares"`
	ContentHash     bytesOf        `json:"content_hash"`
	AttestationHash bytesOf        `json:"attestation_hash"`
	Quorum          map[string]int `json:"quorum"`
}

func readVectors(t testing.TB) *vectors {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	noError(t, err)
	v := new(vectors)
	noError(t, json.Unmarshal(b, v))
	return v
}

func equalBytes(t *testing.T, want bytesOf, got []byte) {
	t.Helper()
	equal(t, hexutil.Encode(want), hexutil.Encode(got))
}

func secretOf(n uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, ScalarSize-8, ScalarSize), n)
}

// vectorKeys are the key shares of the vectors, threshold 3 of 4.
func vectorKeys(t testing.TB) (*PublicKeys, []*KeyShare) {
	t.Helper()
	v := readVectors(t)
	master, err := ParseMasterPublicKey(v.MasterPublicKey)
	noError(t, err)
	var shares []*KeyShare
	var public []*PublicShare
	for i, s := range v.Shares {
		share, err := NewKeyShare(uint8(i), secretOf(s.Secret))
		noError(t, err)
		shares, public = append(shares, share), append(public, share.Public())
	}
	keys, err := NewPublicKeys(3, master, public)
	noError(t, err)
	return keys, shares
}

// vectorTxs are the transactions of the vectors.
func vectorTxs() [][]byte {
	txs := [][]byte{make([]byte, 100), make([]byte, 200)}
	for i, tx := range txs {
		for j := range tx {
			tx[j] = byte(i + 1)
		}
	}
	return txs
}

func vectorPayload(t testing.TB) *Payload {
	t.Helper()
	keys, _ := vectorKeys(t)
	var key [32]byte
	for i := range key {
		key[i] = 2
	}
	r := fr.NewElement(7)
	p, err := seal(keys.Master(), &key, &r, vectorTxs())
	noError(t, err)
	return p
}

func TestVectorsOfTheScheme(t *testing.T) {
	v := readVectors(t)
	scalar, err := hashToScalar([]byte("abc"))
	noError(t, err)
	got := scalar.Bytes()
	equalBytes(t, v.HashToScalarABC, got[:])

	master, err := NewKeyShare(0, secretOf(42))
	noError(t, err)
	g1 := master.Public().G1()
	equalBytes(t, v.MasterPublicKey, g1[:])
	y, err := NewKeyShare(0, secretOf(7*42))
	noError(t, err)
	g1 = y.Public().G1()
	equalBytes(t, v.Y, g1[:])

	p := vectorPayload(t)
	for i, tx := range p.Txs {
		equalBytes(t, v.TxHashes[i], tx.Hash[:])
		equalBytes(t, v.EncryptedTxStarts[i], tx.Data[:32])
	}
	c := p.Ciphertext
	u, w := c.u.Bytes(), c.w.Bytes()
	equalBytes(t, v.U, u[:])
	equalBytes(t, v.W, w[:])
	point, err := c.proofBase()
	noError(t, err)
	h := point.Bytes()
	equalBytes(t, v.H, h[:])
	equalBytes(t, v.PayloadHash, c.PayloadHash[:])
	equalBytes(t, v.EncryptedKey, c.EncryptedKey[:])
	equalBytes(t, v.KeyHash, c.KeyHash[:])
	equalBytes(t, v.Ciphertext, c.Encode())
	equal(t, v.CiphertextLength, len(c.Encode()))
	equal(t, CiphertextSize, v.CiphertextLength)
}

func TestVectorsOfTheBundle(t *testing.T) {
	v := readVectors(t)
	b := &Bundle{Payload: vectorPayload(t), Nonce: 1}
	equalBytes(t, v.PayloadKeccak, crypto.Keccak256(b.Payload.Encode()))
	equal(t, v.PayloadLength, len(b.Payload.Encode()))
	signing := b.signingHash()
	equalBytes(t, v.SigningHash, signing[:])
	equalBytes(t, v.UnsignedBundleKeccak, crypto.Keccak256(b.Encode()))
	equal(t, v.UnsignedBundleLength, len(b.Encode()))

	noError(t, b.Sign(testKey(t, 0x11)))
	equalBytes(t, v.Signature, b.Signature[:])
	equalBytes(t, v.SignedBundle, b.Encode())
	equalBytes(t, v.SignedBundleStart, b.Encode()[:16])
	equal(t, v.SignedBundleLength, len(b.Encode()))
	hash := b.Hash()
	equalBytes(t, v.SignedBundleHash, hash[:])

	read, err := DecodeBundle(v.SignedBundle)
	noError(t, err)
	equal(t, b, read)
	signer, err := read.Signer()
	noError(t, err)
	equalBytes(t, v.Signer, signer[:])
}

func TestVectorsOfTheShares(t *testing.T) {
	v := readVectors(t)
	keys, secrets := vectorKeys(t)
	payload := vectorPayload(t)
	verified, err := payload.Ciphertext.Verify()
	noError(t, err)
	var shares []*DecryptionShare
	for i, want := range v.Shares {
		share, err := secrets[i].Share(verified)
		noError(t, err)
		point := share.Point()
		equalBytes(t, want.Point, point[:])
		if want.RLP != nil {
			equalBytes(t, want.RLP, share.Encode())
		}
		noError(t, secrets[i].Public().Verify(verified, share))
		shares = append(shares, share)
	}
	for _, three := range [][]*DecryptionShare{shares[:3], shares[1:], {shares[3], shares[0], shares[2]}} {
		opening, err := keys.Combine(three)
		noError(t, err)
		y := opening.Bytes()
		equalBytes(t, v.Y, y[:])
		noError(t, keys.VerifyOpenings([]*Ciphertext{payload.Ciphertext}, []*Opening{opening}))
		txs, err := payload.Decrypt(opening)
		noError(t, err)
		equal(t, vectorTxs(), txs)
	}
}

func TestVectorsOfTheCertificate(t *testing.T) {
	v := readVectors(t)
	content := ContentHash([][]byte{{0}, {1}, {2}})
	equalBytes(t, v.ContentHash, content[:])
	hash := AttestationHash(content, common.Hash{})
	equalBytes(t, v.AttestationHash, hash[:])
	for n, want := range v.Quorum {
		members, err := strconv.Atoi(n)
		noError(t, err)
		equal(t, want, Quorum(members))
	}
}
