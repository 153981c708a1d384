// Package plaintx checks a plain transaction before it is sealed. Afterwards nobody can until its place is fixed, and a
// transaction that cannot run there has ended, for everybody to read. Errors have geth's words where geth has an error for the same:
// wallets and libraries know them.
package plaintx

import (
	"errors"
	"fmt"
	"math/big"

	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

var (
	// ErrTooLarge says that a transaction cannot be sealed.
	ErrTooLarge = errors.New("oversized data")
	// ErrMalformed says that the bytes are no transaction, or one that nobody signed.
	ErrMalformed = errors.New("not a signed transaction")
	// ErrType says that transactions of this type are not taken.
	ErrType = errors.New("transaction type not supported")
	// ErrChain says that a transaction is for another chain, or for any.
	ErrChain = types.ErrInvalidChainId
	// ErrHeader says that a header would promise less gas or a higher fee cap than a transaction has.
	ErrHeader = errors.New("transaction does not fit its header")
)

// Tx is a checked transaction.
type Tx struct {
	*types.Transaction
	From common.Address
}

// Check decodes a raw transaction for a chain; chain 0 is any one chain. Errors quote nothing of the transaction.
func Check(raw []byte, chain uint64) (*Tx, error) {
	switch {
	case len(raw) > seal.MaxTxBytes:
		return nil, fmt.Errorf("%w: transaction size %d, limit %d", ErrTooLarge, len(raw), seal.MaxTxBytes)
	case seal.IsSealed(raw):
		return nil, fmt.Errorf("%w: it is sealed already", ErrType)
	}
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	switch {
	case tx.Type() == types.BlobTxType:
		return nil, fmt.Errorf("%w: the rollup has no blobs", ErrType)
	case !tx.Protected():
		return nil, fmt.Errorf("only replay-protected (EIP-155) transactions allowed over RPC: %w: it names none", ErrChain)
	case chain != 0 && tx.ChainId().Cmp(new(big.Int).SetUint64(chain)) != 0:
		return nil, fmt.Errorf("invalid sender: %w: have %s want %d", ErrChain, tx.ChainId(), chain)
	}
	from, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
	if err != nil {
		return nil, fmt.Errorf("%w: invalid sender: %w", ErrMalformed, err)
	}
	return &Tx{tx, from}, nil
}

// Fits refuses what a header with this gas and fee would end: an upper bound of the gas limit, a lower bound of the fee cap.
func (t *Tx) Fits(gas, fee uint64) error {
	switch {
	case t.Gas() > gas:
		return fmt.Errorf("%w: its gas limit %d is over %d", ErrHeader, t.Gas(), gas)
	case t.GasFeeCap().Cmp(new(big.Int).SetUint64(fee)) < 0:
		return fmt.Errorf("%w: its fee cap %s is below %d", ErrHeader, t.GasFeeCap(), fee)
	}
	return nil
}
