package te

import (
	"crypto/ecdsa"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// BundleType is the first byte of an encoded bundle, the place where a transaction has its type.
const BundleType = 0x7e

// Bundle is an encrypted transaction on its way to the order, signed by the bundler that made it.
type Bundle struct {
	Payload *Payload
	Nonce   uint64
	// Signature is nil in an unsigned bundle.
	Signature *Signature
}

type wireBundle struct {
	Payload   *wirePayload
	Nonce     uint64
	Signature []Signature // one or none
}

// IsBundle tells whether a raw transaction is a bundle by its type. go-ethereum does not know the type: ask before handing
// it the bytes.
func IsBundle(raw []byte) bool { return len(raw) > 0 && raw[0] == BundleType }

// DecodeBundle reads a bundle: format, limits, points, payload hash. It checks neither signature nor proof.
func DecodeBundle(b []byte) (*Bundle, error) {
	wire, err := decodeWire(b)
	if err != nil {
		return nil, fmt.Errorf("decode bundle: %w", err)
	}
	payload, err := wire.Payload.open()
	if err != nil {
		return nil, fmt.Errorf("decode bundle: %w", err)
	}
	bundle := &Bundle{Payload: payload, Nonce: wire.Nonce}
	if len(wire.Signature) == 1 {
		bundle.Signature = &wire.Signature[0]
	}
	return bundle, nil
}

// decodeWire reads the format alone.
func decodeWire(b []byte) (*wireBundle, error) {
	if len(b) > MaxBundleBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(b))
	}
	if !IsBundle(b) {
		return nil, fmt.Errorf("%w: not of type %#x", ErrMalformed, BundleType)
	}
	wire := new(wireBundle)
	if err := rlp.DecodeBytes(b[1:], wire); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(wire.Signature) > 1 {
		return nil, fmt.Errorf("%w: %d signatures", ErrMalformed, len(wire.Signature))
	}
	return wire, nil
}

// DecodeBundles reads many bundles on all processors. Each raw one has its bundle or its error.
func DecodeBundles(raws [][]byte) ([]*Bundle, []error) {
	bundles, errs := make([]*Bundle, len(raws)), make([]error, len(raws))
	parallel(len(raws), func(i int) { bundles[i], errs[i] = DecodeBundle(raws[i]) })
	return bundles, errs
}

// CiphertextIDOf returns the Ciphertext.ID of a bundle that is known to be well-formed, without the group checks that take
// up nearly all of DecodeBundle.
func CiphertextIDOf(raw []byte) (common.Hash, error) {
	wire, err := decodeWire(raw)
	if err != nil {
		return common.Hash{}, fmt.Errorf("read ciphertext id: %w", err)
	}
	return crypto.Keccak256Hash(wire.Payload.Ciphertext.U[:]), nil
}

// Encode writes the bundle.
func (b *Bundle) Encode() []byte {
	wire := wireBundle{Payload: b.Payload.wire(), Nonce: b.Nonce}
	if b.Signature != nil {
		wire.Signature = []Signature{*b.Signature}
	}
	return append([]byte{BundleType}, encode(&wire)...)
}

// Hash identifies the bundle: keccak256 of its encoding. It is not the hash the wallet knows, which is in Payload.Txs.
func (b *Bundle) Hash() common.Hash { return crypto.Keccak256Hash(b.Encode()) }

// signingHash is keccak256(RLP(payload) ‖ RLP(nonce)).
func (b *Bundle) signingHash() common.Hash {
	return crypto.Keccak256Hash(b.Payload.Encode(), encode(b.Nonce))
}

// Sign sets the signature.
func (b *Bundle) Sign(key *ecdsa.PrivateKey) error {
	s, err := signDigest(key, b.signingHash())
	if err != nil {
		return fmt.Errorf("sign bundle: %w", err)
	}
	b.Signature = &s
	return nil
}

// Signer returns the bundler's address, ErrUnsigned if there is no signature.
func (b *Bundle) Signer() (common.Address, error) {
	if b.Signature == nil {
		return common.Address{}, fmt.Errorf("recover bundle signer: %w", ErrUnsigned)
	}
	address, err := b.Signature.Recover(b.signingHash())
	if err != nil {
		return common.Address{}, fmt.Errorf("recover bundle signer: %w", err)
	}
	return address, nil
}
