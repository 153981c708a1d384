// Package seal is format 2 of sealed transactions: the threshold cryptosystem TDH2 in ristretto255, the bytes that carry
// a sealed transaction, and the keys of the keyholders who open it together.
//
// Any Threshold keyholders open a transaction with one share each; fewer learn nothing about it. The way of a sealed
// transaction, in the order of the calls:
//
//	Seal → Sealed.Sign → Sealed.Encode       a wallet or a bundler
//	Parse → Ring.Check or Ring.CheckBatch    everybody who lets a transaction in
//	Secret.Share                             a keyholder, after the transaction's place is final
//	Keys.Combine → Checked.Open              the sequencer
//	Checked.Verify                           monitors and replicas: seal again, compare
//	Secret.ShareWithProof → Keys.VerifyShare keyholder and sequencer, when an opening fails
//	Keys.VerifyUnopenable                    everybody, for what does not open
//
// # Guarantees
//
//   - Decoders accept only the one canonical encoding. No bit of a point is masked, the identity is no point, and scalars
//     are reduced.
//   - Only Check and CheckBatch return a [Checked], and shares are made of nothing else: a share of a transaction without
//     a valid proof would make the keyholder an oracle for its sender.
//   - The proof covers every byte but the signature. A copy with a changed byte is refused, or was made by somebody who
//     knows its randomness.
//   - A checked transaction has one outcome. [Checked.Open] and [Checked.Verify] compare everything that sealing again
//     would produce, so whoever accepts one opening refuses every other.
//   - CheckBatch accepts a bad transaction with a probability below 2^-127, and names each bad one.
//   - A [Secret] never prints its scalar, whatever the formatter, and Erase overwrites it. Errors carry no secret.
//
// # What callers must do
//
// The package does not know the order. Callers make shares only of transactions whose place is final, never of bytes that
// a request brought. Callers keep the rules of contents: seq, expiry, gas and fee mean nothing here.
//
// # Constant time
//
// A keyholder's secret and the randomness of a new seal are multiplied with the library's constant-time operations only.
// Check, Open, Verify and Combine work on public values, or on values that are public a moment later, in variable time.
// Erasing is best effort: copies that the library or the garbage collector made remain.
//
// # The group library
//
// github.com/gtank/ristretto255 implements RFC 9496 in constant time on filippo.io/edwards25519, the published form of the
// standard library's own code. A multiplication takes 46 µs, by the generator 14 µs, decoding 4 µs, a point in a sum of
// variable time 8 µs. github.com/cloudflare/circl takes 63, 18 and 5 µs and has no sums. Ristretto written here on
// edwards25519 would be no faster, and one more decoder to trust. Its version must be 1.1.1 or later: before,
// MultiScalarMult was wrong for a receiver that is not the identity.
//
// # Sources
//
// The cryptosystem is TDH2 of Shoup and Gennaro, Securing Threshold Cryptosystems against Chosen Ciphertext Attack,
// J. Cryptology 15 (2002), section 4. Deriving the randomness from a seed in the payload is the transformation of Fujisaki
// and Okamoto (CRYPTO 1999). The group is that of RFC 9496, the cipher that of RFC 8439. The batch check is the small
// exponents test of Bellare, Garay and Rabin (EUROCRYPT 1998); the check that all keys are of one polynomial is that of
// SCRAPE (Cascudo and David, ACNS 2017). Hashes, tags and the layout of bytes are blindseq's own: see hash.go and
// encoding.go.
package seal
