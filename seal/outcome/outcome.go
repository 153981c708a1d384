// Package outcome says what became of each encrypted bundle of a certified content, and checks what others say of it.
//
// It guarantees: a content has exactly one right list of outcomes, whoever opened it; Verify accepts that list and no other,
// so it need not trust the sequencer nor the keyholders.
//
// # Why the openings are verified, and not only the plain transactions' hashes
//
// A bundle names the keccak256 of each of its plain transactions; its bundler signs them, and the certificate and the
// ciphertext's proof cover them. So comparing hashes would show that nothing is executed in the bundle's place but the bytes
// its sender promised. It would not show that the ciphertext holds those bytes. Whoever knows them, which before the opening is
// the sender and its bundler, can make a bundle that opens to something else, or not at all, and yet names their hashes. Its
// right outcome is undecryptable. If decrypted and the bytes were accepted too, the sender and a sequencer in league with it
// could decide after the order is fixed whether the transaction is executed, and could tell different readers differently.
//
// So of each bundle that was opened three things are checked, whether the opening gave transactions or not: its ciphertext's
// proof holds, the opening is the one that the committee's key gives, and what is said follows from decrypting with it. The
// first two are one batch of pairings for all (te.PublicKeys.VerifyOpenings).
package outcome

import (
	"errors"
	"fmt"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/te"
)

// Reasons, shortened.
const (
	Malformed      = preblockv1.UndecryptableReason_UNDECRYPTABLE_REASON_MALFORMED
	BadCiphertext  = preblockv1.UndecryptableReason_UNDECRYPTABLE_REASON_BAD_CIPHERTEXT
	AlreadyOrdered = preblockv1.UndecryptableReason_UNDECRYPTABLE_REASON_ALREADY_ORDERED
	KeyHash        = preblockv1.UndecryptableReason_UNDECRYPTABLE_REASON_KEY_HASH
	TxHash         = preblockv1.UndecryptableReason_UNDECRYPTABLE_REASON_TX_HASH
)

// maxText bounds the words of a reason.
const maxText = 200

// Place is where a transaction stands in the order.
type Place struct {
	Number uint64
	Index  uint32
}

// Before tells whether p is ordered before q.
func (p Place) Before(q Place) bool {
	return p.Number < q.Number || p.Number == q.Number && p.Index < q.Index
}

func (p Place) String() string { return fmt.Sprintf("number %d, transaction %d", p.Number, p.Index) }

// Open is the outcome of a bundle with its opening. One transaction that is not what the bundle promised spoils the
// bundle: what its sender signed was all of them.
func Open(index uint32, payload *te.Payload, opening *te.Opening) *preblockv1.Outcome {
	var out *preblockv1.Outcome
	txs, err := payload.Decrypt(opening)
	switch {
	case errors.Is(err, te.ErrKeyHash):
		out = Refuse(index, KeyHash, err.Error())
	case err != nil:
		out = Refuse(index, TxHash, err.Error())
	default:
		out = &preblockv1.Outcome{Index: index, Result: &preblockv1.Outcome_Decrypted{Decrypted: &preblockv1.Decrypted{Transactions: txs}}}
	}
	point := opening.Bytes()
	out.Opening = point[:]
	return out
}

// Refuse is the outcome of a bundle without plain transactions.
func Refuse(index uint32, reason preblockv1.UndecryptableReason, text string) *preblockv1.Outcome {
	if len(text) > maxText {
		text = text[:maxText]
	}
	return &preblockv1.Outcome{Index: index, Result: &preblockv1.Outcome_Undecryptable{
		Undecryptable: &preblockv1.Undecryptable{Reason: reason, Text: text},
	}}
}

// RefuseRepeated is the outcome of a bundle whose ciphertext stands earlier in the order.
func RefuseRepeated(index uint32, earlier Place) *preblockv1.Outcome {
	out := Refuse(index, AlreadyOrdered, "the ciphertext was ordered before: "+earlier.String())
	u := out.GetUndecryptable()
	u.EarlierNumber, u.EarlierIndex = earlier.Number, earlier.Index
	return out
}
