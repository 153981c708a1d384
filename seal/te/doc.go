// Package te is the threshold-encryption scheme of encrypted bundles: Baek-Zheng on BLS12-381 with ChaCha20, the bundle
// (type 0x7e) that carries it, and the committee's certificate over an order.
//
// A transaction is encrypted for the master public key. Any Threshold keyholders together open it with one decryption
// share each; fewer learn nothing. The way of a bundle, in the order the calls are made:
//
//	Encrypt → Payload → Bundle.Sign → Bundle.Encode         the bundler
//	DecodeBundle → Bundle.Signer → Ciphertext.Verify        everyone who lets a bundle in
//	Certificate.Verify → KeyShare.Share                     a keyholder
//	PublicKeys.VerifyShares → PublicKeys.Combine            the sequencer
//	PublicKeys.VerifyOpenings → Payload.Decrypt             the sequencer, and whoever checks it
//
// # What the package guarantees
//
//   - Decoders take only the one canonical encoding, refuse trailing bytes and anything over the limits below, and check
//     that points are in their group and not its identity. A decoded value stays decoded: nothing is checked twice.
//   - A share can be made and verified only for a [Verified] ciphertext, which only verification returns. Making a share
//     of a ciphertext without a valid proof would let its sender use the keyholders as an oracle.
//   - [Encrypt] puts one transaction in a payload. All transactions of a payload share one ChaCha20 key and nonce, so two
//     of them give away the difference of their plain texts. Payloads of several are still read.
//   - Batch verification uses 128-bit random coefficients: a batch with a bad member passes with probability 2^-127.
//   - A KeyShare never prints its secret, whatever the formatter, and Erase overwrites it. Errors carry no secret.
//
// # Constant time
//
// The one long-lived secret is a keyholder's share, multiplied onto points others choose, as often as they ask. That
// multiplication ([KeyShare.Share]) has no branch and no memory access that depends on the secret: see ctmul.go. The
// multiplications of the pairing library do have them. They are used where the scalar is public (verification, Lagrange
// coefficients), and in Encrypt for a scalar that is drawn, used once and thrown away: timing gives no second sample of
// it, and who can trace the caches of the encrypting process can as well read the transaction there. Deriving the G2 half
// of a public share, once in the life of a key, splits the secret into two random halves first.
//
// Erasing is best effort, as always in Go: what this package holds is overwritten, copies that the library or the
// garbage collector made on the way are not.
//
// # What version 1 of the format does not bind
//
// The proof in a ciphertext covers U, V and the payload hash (thus the plain transactions' hashes), but not the key hash,
// the encrypted bytes, the bundler or the chain. Who sees a bundle can wrap its ciphertext into a bundle of his own. Use
// [Ciphertext.ID] to notice: two ciphertexts with one ID are opened by the same shares, so a pool lets in the first only
// and a keyholder opens the first only.
package te

// Limits of what is decoded. A bundle may carry the largest transaction go-ethereum's pool takes.
const (
	MaxTxBytes     = 128 << 10
	MaxBundleBytes = MaxTxBytes + 1024
	MaxPayloadTxs  = 256
	MaxAuthorities = 255
)

// Sizes of encoded values.
const (
	ScalarSize     = 32
	G1Size         = 48
	G2Size         = 96
	CiphertextSize = 248
	SignatureSize  = 65
)
