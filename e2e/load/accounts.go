// Package load makes transactions and sends them as wallets do.
package load

import (
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
)

// ChainID is that of Genesis, which is not that of a development chain.
const ChainID = 7654321

// gasLimit is that of a block of Genesis: more transfers than a blueprint has bytes for.
const gasLimit = 200_000_000

// transferGas is what a plain transfer uses.
const transferGas = 21_000

// Account signs transactions with consecutive nonces. It is one goroutine's.
type Account struct {
	Address common.Address
	Nonce   uint64 // of the next transaction

	key    *ecdsa.PrivateKey
	signer types.Signer
}

// NewAccount makes an account of a chain from its key.
func NewAccount(key *ecdsa.PrivateKey, chainID *big.Int) *Account {
	return &Account{Address: crypto.PubkeyToAddress(key.PublicKey), key: key, signer: types.LatestSignerForChainID(chainID)}
}

// Accounts returns the first n accounts of Genesis, each time the same.
func Accounts(n int) ([]*Account, error) {
	accounts := make([]*Account, 0, n)
	for i := range n {
		key, err := crypto.ToECDSA(crypto.Keccak256(fmt.Appendf(nil, "blindseq load account %d", i)))
		if err != nil {
			return nil, fmt.Errorf("make account %d: %w", i, err)
		}
		accounts = append(accounts, NewAccount(key, big.NewInt(ChainID)))
	}
	return accounts, nil
}

// Genesis is a genesis.json in which the accounts are rich.
func Genesis(accounts []*Account) ([]byte, error) {
	genesis := core.DeveloperGenesisBlock(gasLimit, nil)
	genesis.Config.ChainID = big.NewInt(ChainID)
	genesis.Config.BogotaTime = nil
	genesis.BaseFee = big.NewInt(params.GWei)
	funds := new(big.Int).Mul(big.NewInt(1_000_000), big.NewInt(params.Ether))
	for _, a := range accounts {
		genesis.Alloc[a.Address] = types.Account{Balance: funds}
	}
	raw, err := json.Marshal(genesis)
	if err != nil {
		return nil, fmt.Errorf("encode genesis: %w", err)
	}
	return raw, nil
}

// Transfer signs a transfer of 1 wei with the next nonce.
func (a *Account) Transfer(to common.Address) (*types.Transaction, error) {
	return a.Sign(&types.DynamicFeeTx{
		ChainID: a.signer.ChainID(), GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(1000 * params.GWei),
		Gas: transferGas, To: &to, Value: big.NewInt(1),
	})
}

// Sign signs a transaction with the next nonce.
func (a *Account) Sign(fields *types.DynamicFeeTx) (*types.Transaction, error) {
	fields.Nonce = a.Nonce
	tx, err := types.SignNewTx(a.key, a.signer, fields)
	if err != nil {
		return nil, fmt.Errorf("sign transaction %d of %s: %w", a.Nonce, a.Address, err)
	}
	a.Nonce++
	return tx, nil
}
