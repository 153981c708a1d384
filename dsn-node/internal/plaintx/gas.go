package plaintx

import (
	"errors"
	"fmt"
	"math"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// What no block can execute.
var (
	// ErrIntrinsicGas says that a transaction's gas limit does not even pay for its bytes.
	ErrIntrinsicGas = errors.New("intrinsic gas too low")
	// ErrFloorGas says that it does not pay for its data (EIP-7623).
	ErrFloorGas = errors.New("insufficient gas for floor data gas cost")
	// ErrTip says that a transaction's tip is above its fee cap.
	ErrTip = errors.New("max priority fee per gas higher than max fee per gas")
	// ErrFeeCap says that a price does not fit into 256 bits.
	ErrFeeCap = errors.New("max fee per gas higher than 2^256-1")
	// ErrCode says that a transaction would create a contract with too much code.
	ErrCode = errors.New("max initcode size exceeded")
	// ErrNoAuthorisations says that a transaction of type 4 has none.
	ErrNoAuthorisations = errors.New("EIP-7702 transaction with empty auth list")
	// ErrNonceMax says that there would be no nonce after the transaction's.
	ErrNonceMax = errors.New("nonce has max value")
)

// CheckRuns refuses what no block can execute whatever the state is, by the rules of the Prague fork, which are the strictest.
func (t *Tx) CheckRuns() error {
	intrinsic, floor := intrinsicGas(t.Transaction), floorGas(t.Transaction)
	switch {
	case t.Nonce() == math.MaxUint64:
		return ErrNonceMax
	case t.GasFeeCap().BitLen() > 256:
		return ErrFeeCap
	case t.GasFeeCapIntCmp(t.GasTipCap()) < 0:
		return fmt.Errorf("%w: maxPriorityFeePerGas: %s, maxFeePerGas: %s", ErrTip, t.GasTipCap(), t.GasFeeCap())
	case t.To() == nil && len(t.Data()) > params.MaxInitCodeSize:
		return fmt.Errorf("%w: code size %d, limit %d", ErrCode, len(t.Data()), params.MaxInitCodeSize)
	case t.Type() == types.SetCodeTxType && len(t.SetCodeAuthorizations()) == 0:
		return ErrNoAuthorisations
	case t.Gas() < intrinsic:
		return fmt.Errorf("%w: gas %d, minimum needed %d", ErrIntrinsicGas, t.Gas(), intrinsic)
	case t.Gas() < floor:
		return fmt.Errorf("%w: gas %d, minimum needed %d", ErrFloorGas, t.Gas(), floor)
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
