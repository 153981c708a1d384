package fakes

import (
	"math/big"

	"blindseq/producer-svc/internal/chain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// Trap is a contract of UnexecutableGenesis: no block can end that has a call to it.
var Trap = common.HexToAddress("0x00000000000000000000000000000000000dead1")

// UnexecutableGenesis is the development genesis with a deposit contract whose deposits cannot be read. Any call of Trap logs
// one, and then the end of the block fails, on every replica alike.
func UnexecutableGenesis() (*core.Genesis, error) {
	genesis, err := chain.DevGenesis()
	if err != nil {
		return nil, err
	}
	config := *genesis.Config
	config.DepositContractAddress = Trap
	genesis.Config = &config
	const push32, push0, log1 = 0x7f, 0x5f, 0xa1
	deposit := crypto.Keccak256([]byte("DepositEvent(bytes,bytes,bytes,bytes,bytes)"))
	genesis.Alloc[Trap] = types.Account{Balance: new(big.Int), Code: append(append([]byte{push32}, deposit...), push0, push0, log1)}
	return genesis, nil
}
