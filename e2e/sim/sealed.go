package sim

import (
	"encoding/binary"

	"blindseq/kit/content"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
)

// secret marks a sealed transaction, at its end: a content with one needs shares before it is decided. What it opens to is
// itself. Its account is its submitter, and the two bytes after the kind are its seq.
const secret = 0xee

func isSealed(raw []byte) bool { return raw[len(raw)-1] == secret }

// sealedIn are the sealed transactions of a content.
func sealedIn(c *preblockv1.Content) (all [][]byte) {
	for _, raw := range c.GetTransactions() {
		if isSealed(raw) {
			all = append(all, raw)
		}
	}
	return all
}

// limits are those of the chain. The window forgets nothing in a run.
var limits = committee.Limits{Lifetime: 1 << 20, SealedGas: 1 << 30}

// headersOf are the headers of a content's sealed transactions. None ever expires.
func headersOf(c *preblockv1.Content) (all []seal.Header) {
	for _, raw := range sealedIn(c) {
		all = append(all, seal.Header{
			Submitter: common.Address{19: accountOf(raw)}, Seq: uint64(binary.BigEndian.Uint16(raw[4:])), Gas: rules.MinGas, Expiry: c.GetNumber(),
		})
	}
	return all
}

// idsOf are the identities of a content's sealed transactions.
func idsOf(c *preblockv1.Content) (all []common.Hash) {
	for _, raw := range sealedIn(c) {
		all = append(all, common.Hash(content.Keccak(raw)))
	}
	return all
}

// windowOf is the window after the contents up to a number, as a process makes it when it starts.
func (w *world) windowOf(last uint64, headers func(number uint64) []seal.Header) *rules.Window {
	if w.bug(ForgetsTheWindow) {
		return rules.NewWindow(last+1, limits.Lifetime)
	}
	window, err := rules.Rebuild(1, last, limits.Lifetime, func(number uint64) ([]seal.Header, error) { return headers(number), nil })
	if err != nil {
		panic(err) // the contents were checked when they were taken
	}
	return window
}
