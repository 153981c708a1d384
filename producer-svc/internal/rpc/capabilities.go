package rpc

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// capabilities is the answer of eth_capabilities: from which block on this replica has what.
type capabilities struct {
	Head        capabilityHead `json:"head"`
	State       capability     `json:"state"`
	Tx          capability     `json:"tx"`
	Logs        capability     `json:"logs"`
	Receipts    capability     `json:"receipts"`
	Blocks      capability     `json:"blocks"`
	StateProofs capability     `json:"stateproofs"`
}

type capabilityHead struct {
	Number hexutil.Uint64 `json:"number"`
	Hash   common.Hash    `json:"hash"`
}

type capability struct {
	Disabled bool            `json:"disabled"`
	Oldest   hexutil.Uint64  `json:"oldestBlock"`
	Delete   *deleteStrategy `json:"deleteStrategy,omitempty"`
}

type deleteStrategy struct {
	Type   string         `json:"type"`
	Blocks hexutil.Uint64 `json:"retentionBlocks"`
}

// Capabilities is eth_capabilities. Geth's tells what it was configured to keep, which is more than there is when it was configured
// so lately, and says of logs that there are none, because they are found without an index.
func (s *stateService) Capabilities() capabilities {
	kept := s.Kept()
	answer := capabilities{State: capability{Oldest: hexutil.Uint64(kept.States)}, StateProofs: capability{Oldest: hexutil.Uint64(kept.Proofs)}}
	if kept.Blocks > 0 {
		window := &deleteStrategy{"window", hexutil.Uint64(kept.Blocks)}
		answer.State.Delete, answer.StateProofs.Delete = window, window
	}
	number, hash, _ := s.Head()
	answer.Head = capabilityHead{hexutil.Uint64(number), hash}
	return answer
}
