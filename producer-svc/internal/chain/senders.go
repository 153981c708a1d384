package chain

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// knownSender is a signer for one transaction whose sender is known. types.Sender remembers what it answers as if the
// signer within had recovered it.
type knownSender struct {
	types.Signer
	sender common.Address
}

func (s knownSender) Sender(*types.Transaction) (common.Address, error) { return s.sender, nil }
func (s knownSender) Equal(other types.Signer) bool                     { return s.Signer.Equal(other) }

// rememberSenders reads the written block back into geth's cache and tells its transactions their senders. After every
// block geth's blob pool, which cannot be left out, reads the block and asks for all of them; recovering them a second
// time would take twice what executing plain transfers does.
func (c *Chain) rememberSenders(block *types.Block) {
	stored := c.bc.GetBlock(block.Hash(), block.NumberU64())
	if stored == nil {
		return
	}
	for i, tx := range block.Transactions() {
		if sender, err := types.Sender(c.signer, tx); err == nil {
			types.Sender(knownSender{Signer: c.signer, sender: sender}, stored.Transactions()[i]) //nolint:errcheck // it does not fail
		}
	}
}
