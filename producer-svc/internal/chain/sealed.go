package chain

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Sealed is a transaction that was ordered sealed and then opened, with what the header of its sealed bytes says of it.
//
// It is executed at its place or never: whoever could choose the block in which an opened transaction runs could run others
// around it.
type Sealed struct {
	Raw       []byte
	Submitter common.Address
	Relay     bool   // the submitter is a relay of the chain, whom senders trust as they do themselves
	Gas       uint64 // upper bound of its gas limit
	Fee       uint64 // lower bound of its fee cap, in wei for a unit of gas
}

var (
	errUnprotected = errors.New("not protected against replay on another chain (EIP-155)")
	errSealedGas   = errors.New("gas limit exceeds the gas of its header")
	errSealedFee   = errors.New("fee cap is below the fee of its header")
)

// check refuses a transaction that is not what its header promised.
func (s *Sealed) check(tx *types.Transaction) error {
	switch {
	case !tx.Protected():
		return errUnprotected
	case tx.Gas() > s.Gas:
		return fmt.Errorf("%w: %d, header %d", errSealedGas, tx.Gas(), s.Gas)
	case tx.GasFeeCapIntCmp(new(big.Int).SetUint64(s.Fee)) < 0:
		return fmt.Errorf("%w: %d, header %d", errSealedFee, tx.GasFeeCap(), s.Fee)
	}
	return nil
}

// refusal is why a transaction ends before it is executed, whatever the state; nil when it may be executed.
func (x *execution) refusal(one *candidate) error {
	switch {
	case one.err != nil:
		return one.err
	case one.barred:
		return ErrBarred
	case len(one.raw) > maxTxBytes:
		return fmt.Errorf("transaction of %d bytes, at most %d", len(one.raw), maxTxBytes)
	case one.sealed != nil:
		return one.sealed.check(one.tx)
	}
	return nil
}

// CheckSealedGas refuses a chain whose blocks could be so full of sealed transactions that nothing else runs: their gas is
// at most sealedGas, and one transaction of the largest size must fit beside them.
func (c *Chain) CheckSealedGas(sealedGas uint64) error {
	if least := sealedGas + maxTxGas; c.GasLimit() < least || least < sealedGas {
		return fmt.Errorf("%w: gasLimit %d is below %d, the committee's sealed_gas %d and one transaction of %d: "+
			"begin the chain with a larger gasLimit, or the committee with a smaller sealed_gas",
			ErrGenesis, c.GasLimit(), least, sealedGas, uint64(maxTxGas))
	}
	return nil
}
