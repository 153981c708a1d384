package chain

import (
	"math"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/consensus/misc/eip4844"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
)

const (
	headerExtra    = "blindseq"
	randaoDomain   = "blindseq/prevrandao/2"
	minTransaction = params.TxGas
)

// BaseFee is the base fee of the next block, in wei. It is a function of the head.
func (c *Chain) BaseFee() uint64 { return baseFeeAfter(c.bc.Config(), c.bc.CurrentBlock()) }

// baseFeeAfter is the base fee of the block after parent; the largest number for one that a content cannot name.
func baseFeeAfter(config *params.ChainConfig, parent *types.Header) uint64 {
	fee := eip1559.CalcBaseFee(config, parent)
	if !fee.IsUint64() {
		return math.MaxUint64
	}
	return fee.Uint64()
}

// nextHeader is the header of the block after parent, without what execution fills in. The fee recipient is the
// genesis's coinbase and the gas limit the genesis's: a setting of one process would let replicas disagree.
//
// prevRandao is a hash of the ordered content: nobody chooses it after reading what was sealed, but whoever proposes a
// content can choose among many. Contracts must not take it for a secret.
func nextHeader(config *params.ChainConfig, parent *types.Header, feeRecipient common.Address, b Block) *types.Header {
	number, timestamp := new(big.Int).Add(parent.Number, common.Big1), b.Timestamp
	header := &types.Header{
		ParentHash: parent.Hash(),
		Coinbase:   feeRecipient,
		Difficulty: new(big.Int),
		Number:     number,
		GasLimit:   parent.GasLimit,
		Time:       timestamp,
		Extra:      []byte(headerExtra),
		MixDigest:  crypto.Keccak256Hash([]byte(randaoDomain), b.ContentHash[:]),
		BaseFee:    eip1559.CalcBaseFee(config, parent),
	}
	if config.IsCancun(number, timestamp) {
		excess := uint64(0)
		if config.IsCancun(parent.Number, parent.Time) {
			excess = eip4844.CalcExcessBlobGas(config, parent, timestamp)
		}
		header.ExcessBlobGas = &excess
		header.BlobGasUsed = new(uint64)
		header.ParentBeaconRoot = new(common.Hash)
	}
	return header
}
