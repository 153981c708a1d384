package bundling

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"math/big"
	"testing"

	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/dsn-node/internal/plaintx"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// signed is a raw transaction, and its hash.
func signed(t *testing.T, key *ecdsa.PrivateKey, data types.TxData) ([]byte, common.Hash) {
	t.Helper()
	tx, err := types.SignNewTx(key, types.LatestSignerForChainID(big.NewInt(1337)), data)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return raw, tx.Hash()
}

func transfer(nonce uint64, value int64) *types.DynamicFeeTx {
	return &types.DynamicFeeTx{
		ChainID: big.NewInt(1337), Nonce: nonce, Gas: 21000, GasFeeCap: big.NewInt(10), GasTipCap: big.NewInt(1), To: &common.Address{1}, Value: big.NewInt(value),
	}
}

func authorisation(t *testing.T, key *ecdsa.PrivateKey, chain, nonce uint64) types.SetCodeAuthorization {
	t.Helper()
	auth, err := types.SignSetCode(key, types.SetCodeAuthorization{ChainID: *uint256.NewInt(chain), Address: common.Address{2}, Nonce: nonce})
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

func delegation(nonce uint64, list ...types.SetCodeAuthorization) *types.SetCodeTx {
	return &types.SetCodeTx{
		ChainID: uint256.NewInt(1337), Nonce: nonce, Gas: 500_000, GasFeeCap: uint256.NewInt(10), GasTipCap: uint256.NewInt(1), AuthList: list,
	}
}

func (c *counter) take(data types.TxData, by *ecdsa.PrivateKey) error {
	c.t.Helper()
	raw, _ := signed(c.t, by, data)
	_, err := c.Send(c.t.Context(), raw)
	return err
}

func TestOnlyWhatCanRunAfterWhatWaitsIsSealed(t *testing.T) {
	c := opened(t)
	c.rollup.baseFee, c.rollup.balance = 10, big.NewInt(3*(210_000+5))
	_, hash := signed(t, c.key, transfer(0, 1))
	c.rollup.shown = map[common.Hash]bool{hash: true}
	tooLow := transfer(0, 5)
	tooLow.Gas = 20_999
	cheap := transfer(0, 5)
	cheap.GasFeeCap = big.NewInt(9)
	free := transfer(0, 5)
	free.GasTipCap = new(big.Int)
	for name, one := range map[string]struct {
		tx   types.TxData
		want error
	}{
		"too little gas": {tooLow, plaintx.ErrIntrinsicGas}, "a fee cap below the base fee": {cheap, ErrFee}, "one without a tip": {free, ErrTip},
		"one that was shown": {transfer(0, 1), ErrShown}, "one that its sender cannot pay": {transfer(0, 3*(210_000+5)), ErrFunds},
	} {
		if err := c.take(one.tx, c.key); !errors.Is(err, one.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for nonce := range uint64(3) {
		if err := c.take(transfer(nonce, 5), c.key); err != nil {
			t.Errorf("nonce %d: %v", nonce, err)
		}
	}
	if err := c.take(transfer(3, 0), c.key); !errors.Is(err, ErrFunds) {
		t.Errorf("what those before leave no money for: %v", err)
	}
	if err := c.take(transfer(1, 6), c.key); !errors.Is(err, ErrReplaced) {
		t.Errorf("another one for a nonce that is sealed: %v", err)
	}
	if len(c.rollup.sealed) != 3 {
		t.Errorf("%d were sealed", len(c.rollup.sealed))
	}
	c.rollup.nonce, c.rollup.balance = 3, big.NewInt(210_000) // they are in blocks now, and paid
	if err := c.take(transfer(3, 0), c.key); err != nil {
		t.Errorf("what is paid is counted twice: %v", err)
	}
}

// aheadOf is a leader at another block than the observer.
type aheadOf struct {
	*taker
	head uint64
	err  error
}

func (a aheadOf) Tip(context.Context) (rollup.Tip, error) { return rollup.Tip{Head: a.head}, a.err }

// Who seems to have no money may have just got it, in a block that the observer has not seen yet.
func TestOneWhoSeemsPoorIsRefusedByWhatTheLeaderHas(t *testing.T) {
	c := opened(t)
	c.rollup.head, c.rollup.balance = 4, new(big.Int)
	asked := 0
	c.rollup.asked = func() {
		if asked++; asked == 3 {
			c.rollup.head, c.rollup.balance = 7, big.NewInt(1e18)
		}
	}
	c.o.Leader = aheadOf{taker: c.rollup, head: 7}
	if err := c.take(transfer(0, 5), c.key); err != nil || asked != 3 {
		t.Errorf("%v, after %d questions", err, asked)
	}
	c.rollup.balance, c.rollup.asked = new(big.Int), nil
	for _, leader := range []aheadOf{{head: 7}, {head: 3}, {err: rollup.ErrAway}} {
		leader.taker = c.rollup
		c.o.Leader = leader
		if err := c.take(transfer(1, 5), c.key); !errors.Is(err, ErrFunds) {
			t.Errorf("with the leader at %d (%v): %v", leader.head, leader.err, err)
		}
	}
}

func TestAuthorisationsThatWaitUseNonces(t *testing.T) {
	c, signer := opened(t), newKey(t)
	a := crypto.PubkeyToAddress(signer.PublicKey)
	c.rollup.nonces = map[common.Address]uint64{a: 5}
	elsewhere, early := authorisation(t, signer, 1, 5), authorisation(t, signer, 0, 7)
	forged := authorisation(t, signer, 1337, 5)
	forged.S = *uint256.NewInt(0)
	if err := c.take(delegation(0, elsewhere, forged, early, authorisation(t, signer, 0, 5), authorisation(t, signer, 1337, 6)), c.key); err != nil {
		t.Fatal(err)
	}
	for nonce, want := range map[uint64]error{5: ErrReplaced, 6: ErrReplaced} {
		if err := c.take(transfer(nonce, 0), signer); !errors.Is(err, want) {
			t.Errorf("nonce %d: %v, want %v", nonce, err, want)
		}
	}
	if err := c.take(transfer(7, 0), signer); err != nil {
		t.Errorf("the nonce after them: %v", err)
	}
	// An authorisation of the sender's own uses the nonce after the transaction's.
	if err := c.take(delegation(1, authorisation(t, c.key, 1337, 2)), c.key); err != nil {
		t.Fatal(err)
	}
	if err := c.take(transfer(2, 0), c.key); !errors.Is(err, ErrReplaced) {
		t.Errorf("the sender's authorised nonce: %v", err)
	}
	if err := c.take(transfer(3, 0), c.key); err != nil {
		t.Errorf("the sender's nonce after it: %v", err)
	}
}
