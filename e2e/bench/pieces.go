package bench

import (
	"crypto/rand"
	"math/big"

	"blindseq/e2e/load"
	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
)

// piece is a kind of sealed transaction that passes every check without a share, and what makes one.
type piece struct {
	name string
	make func(*load.Sealer) (*seal.Sealed, error)
}

// honest is what garbage is compared with.
const honest = "honest transfer, for comparison"

func (b *run) pieces() []piece {
	unopenable := func(kind error) func(*load.Sealer) (*seal.Sealed, error) {
		return func(s *load.Sealer) (*seal.Sealed, error) { return s.Garbage(kind) }
	}
	return []piece{
		{honest, func(s *load.Sealer) (*seal.Sealed, error) {
			tx, err := b.single.Transfer(b.accounts[0].Address)
			if err != nil {
				return nil, err
			}
			return s.Seal(tx)
		}},
		{"unopenable: payload", unopenable(seal.ErrPayload)},
		{"unopenable: padding", unopenable(seal.ErrPadding)},
		{"unopenable: seed", unopenable(seal.ErrSeed)},
		{"no transaction", func(s *load.Sealer) (*seal.Sealed, error) { return s.SealRaw(noTransaction(120)) }},
		{"a transaction of another chain", foreign(load.ChainID+1, transferGas)},
		{"gas limit above the header's", foreign(load.ChainID, 10_000_000)},
		{"a sealed transaction inside", nested},
		{"the largest size, no transaction", func(s *load.Sealer) (*seal.Sealed, error) { return s.SealRaw(noTransaction(seal.MaxTxBytes)) }},
	}
}

const transferGas = 21_000

func noTransaction(size int) []byte {
	raw := make([]byte, size)
	_, _ = rand.Read(raw) // crypto/rand does not fail
	raw[0] = 0x6f         // no type of a transaction
	return raw
}

// foreign makes transactions of somebody without funds.
func foreign(chainID int64, gas uint64) func(*load.Sealer) (*seal.Sealed, error) {
	return func(s *load.Sealer) (*seal.Sealed, error) {
		key, err := crypto.GenerateKey()
		if err != nil {
			return nil, err
		}
		tx, err := load.NewAccount(key, big.NewInt(chainID)).Sign(&types.DynamicFeeTx{
			ChainID: big.NewInt(chainID), GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(1000 * params.GWei), Gas: gas, To: &common.Address{},
		})
		if err != nil {
			return nil, err
		}
		return s.Seal(tx)
	}
}

// nested seals what a sealer of its own has sealed.
func nested(s *load.Sealer) (*seal.Sealed, error) {
	inner := *s
	sealed, err := inner.SealRaw(noTransaction(120))
	if err != nil {
		return nil, err
	}
	return s.SealRaw(sealed.Encode())
}
