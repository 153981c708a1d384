package sim

import (
	"encoding/binary"

	"blindseq/kit/content"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
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

// headersOf are the headers of a content's sealed transactions. Those of wallets never expire.
func (w *world) headersOf(c *preblockv1.Content) (all []seal.Header) {
	for _, raw := range sealedIn(c) {
		h := seal.Header{
			Submitter: common.Address{19: accountOf(raw)}, Seq: uint64(binary.BigEndian.Uint16(raw[4:])), Gas: rules.MinGas,
			Expiry: c.GetNumber(), Fee: baseFee,
		}
		if bySubmitter(raw) {
			h.Submitter = common.Address{19: submitterOf(raw)}
			h.Expiry, h.Fee = uint64(binary.BigEndian.Uint16(raw[6:])), uint64(raw[8])
		}
		all = append(all, h)
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
	lifetime := w.limits.Lifetime
	switch {
	case w.bug(ForgetsTheWindow):
		return rules.NewWindow(last+1, lifetime)
	case w.bug(LifetimeOffByOne):
		lifetime--
	}
	window, err := rules.Rebuild(1, last, lifetime, func(number uint64) ([]seal.Header, error) { return headers(number), nil })
	if err != nil {
		panic(err) // the contents were checked when they were taken
	}
	return window
}
