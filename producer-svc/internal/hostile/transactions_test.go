package hostile

import (
	"crypto/ecdsa"
	"math/big"

	"blindseq/producer-svc/internal/chain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

// transaction is one of an account.
type transaction struct {
	raw    []byte
	hash   common.Hash
	from   *account
	gas    uint64
	feeCap uint64
}

func (w *world) learnBaseFee(head *types.Header) {
	w.baseFee = eip1559.CalcBaseFee(w.genesis.Config, head).Uint64()
}

// nonce is that of an account's next transaction: now and then one that is used up, or not due.
func (w *world) nonce(a *account) uint64 {
	switch w.rng.IntN(12) {
	case 0:
		return a.next // used up, if something of the account is executed before it
	case 1:
		return a.planned + 1
	case 2:
		return a.next - min(a.next, 1)
	}
	a.planned++
	return a.planned - 1
}

// feeCap is what an account pays at most: now and then so little that a raised base fee ends the transaction.
func (w *world) feeCap() uint64 {
	switch w.rng.IntN(6) {
	case 0:
		return w.baseFee
	case 1:
		return w.baseFee * 9 / 8
	case 2:
		return w.baseFee / 2
	}
	return 100 * w.baseFee
}

// sign makes a transaction of an account.
func (w *world) sign(a *account, to common.Address, gas uint64) *transaction {
	nonce, feeCap := w.nonce(a), w.feeCap()
	price := new(big.Int).SetUint64(feeCap)
	dynamic := &types.DynamicFeeTx{
		ChainID: signer.ChainID(), Nonce: nonce, To: &to, Gas: gas, GasFeeCap: price, GasTipCap: big.NewInt(1), Value: big.NewInt(1),
	}
	var data types.TxData = dynamic
	switch w.rng.IntN(8) {
	case 0:
		data = &types.LegacyTx{Nonce: nonce, To: &to, Gas: gas, GasPrice: price}
	case 1:
		data = &types.AccessListTx{ChainID: signer.ChainID(), Nonce: nonce, To: &to, Gas: gas, GasPrice: price}
	case 2:
		data = w.delegation(dynamic)
	}
	tx, err := types.SignNewTx(a.key, signer, data)
	w.must(err)
	raw, err := tx.MarshalBinary()
	w.must(err)
	one := &transaction{raw: raw, hash: tx.Hash(), from: a, gas: tx.Gas(), feeCap: feeCap}
	w.judge.known[one.hash] = one
	return one
}

// delegation delegates another account, whose nonce it uses up. Before Prague it is no transaction.
func (w *world) delegation(d *types.DynamicFeeTx) types.TxData {
	victim := pick(w.rng, w.accounts)
	signed, err := types.SignSetCode(victim.key, types.SetCodeAuthorization{
		ChainID: *uint256.NewInt(chain.DevChainID), Address: nobody, Nonce: victim.next,
	})
	w.must(err)
	return &types.SetCodeTx{
		ChainID: uint256.NewInt(chain.DevChainID), Nonce: d.Nonce, To: *d.To, Gas: d.Gas + 2*params.CallNewAccountGas, AuthList: []types.SetCodeAuthorization{signed},
		GasFeeCap: uint256.MustFromBig(d.GasFeeCap), GasTipCap: uint256.NewInt(1), Value: uint256.NewInt(1),
	}
}

// transfer is what wallets send.
func (w *world) transfer() *transaction {
	return w.sign(pick(w.rng, w.accounts[3:]), nobody, params.TxGas*(1+w.rng.Uint64N(3)))
}

// burn uses up gas of a block. The leader's own accounts do it.
func (w *world) burn() *transaction {
	return w.sign(pick(w.rng, w.accounts[:3]), burner, 100_000+w.rng.Uint64N(600_000))
}

// submitterOf is a submitter of a transaction: its sender, the relay, or a stranger who wants to do harm.
func (w *world) submitterOf(tx *transaction) *ecdsa.PrivateKey {
	switch n := w.rng.IntN(10); {
	case tx != nil && n < 5:
		return tx.from.key
	case n < 7:
		return w.relay
	}
	return pick(w.rng, w.strangers)
}
