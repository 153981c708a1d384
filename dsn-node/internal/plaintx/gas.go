package plaintx

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// ErrIntrinsicGas says that a transaction's gas limit does not even pay for its bytes, so no block can execute it.
var ErrIntrinsicGas = errors.New("intrinsic gas too low")

// CheckGas refuses a gas limit that no block can execute, by the rules of the Prague fork, which are the strictest.
func (t *Tx) CheckGas() error {
	if least := max(intrinsicGas(t.Transaction), floorGas(t.Transaction)); t.Gas() < least {
		return fmt.Errorf("%w: gas limit %d, at least %d", ErrIntrinsicGas, t.Gas(), least)
	}
	return nil
}

// intrinsicGas is what a transaction costs before it is executed.
func intrinsicGas(tx *types.Transaction) uint64 {
	data, zeros := uint64(len(tx.Data())), zeroBytes(tx)
	gas := params.TxGas + zeros*params.TxDataZeroGas + (data-zeros)*params.TxDataNonZeroGasEIP2028
	if tx.To() == nil {
		gas += params.TxGasContractCreation - params.TxGas + (data+31)/32*params.InitCodeWordGas
	}
	gas += uint64(len(tx.AccessList()))*params.TxAccessListAddressGas + uint64(tx.AccessList().StorageKeys())*params.TxAccessListStorageKeyGas
	return gas + uint64(len(tx.SetCodeAuthorizations()))*params.CallNewAccountGas
}

// floorGas is what a transaction pays at least for its data (EIP-7623).
func floorGas(tx *types.Transaction) uint64 {
	zeros := zeroBytes(tx)
	tokens := zeros + (uint64(len(tx.Data()))-zeros)*params.TxTokenPerNonZeroByte
	return params.TxGas + tokens*params.TxCostFloorPerToken
}

func zeroBytes(tx *types.Transaction) (n uint64) {
	for _, b := range tx.Data() {
		if b == 0 {
			n++
		}
	}
	return n
}
