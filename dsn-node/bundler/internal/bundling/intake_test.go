package bundling

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"math/big"
	"testing"
	"time"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// taker is a rollup that keeps the bundles it is handed, in their order.
type taker struct {
	Rollup
	bundles  [][]byte
	refusing []byte // this one
	nonces   []uint64
}

func (r *taker) Submit(_ context.Context, bundle []byte) error {
	if bytes.Equal(bundle, r.refusing) {
		return &rollup.Refusal{Code: -32000, Message: "no"}
	}
	r.bundles = append(r.bundles, bundle)
	return nil
}

func (r *taker) Knows(context.Context, common.Hash) (bool, error) { return false, nil }

// Account answers with one nonce after the other.
func (r *taker) Account(context.Context, common.Address) (rollup.Account, error) {
	nonce := r.nonces[0]
	if len(r.nonces) > 1 {
		r.nonces = r.nonces[1:]
	}
	return rollup.Account{Nonce: nonce, Pending: nonce, Balance: big.NewInt(1e18)}, nil
}

type noFigures struct{ Recorder }

func (noFigures) Encrypted(time.Duration) {}

// counter is an intake with one sender.
type counter struct {
	*Intake
	t      *testing.T
	box    *outbox.Box
	rollup *taker
	key    *ecdsa.PrivateKey
}

// opened is an intake over an outbox that was left with the sender's transactions of the given nonces, each kept and perhaps
// never handed in.
func opened(t *testing.T, left ...uint64) *counter {
	t.Helper()
	c := &counter{t: t, rollup: &taker{nonces: []uint64{0}}}
	var err error
	if c.key, err = crypto.GenerateKey(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, nonce := range left {
		box, err := outbox.Open(dir, 10)
		if err != nil {
			t.Fatal(err)
		}
		item := outbox.Item{Hash: c.tx(nonce).Hash(), From: crypto.PubkeyToAddress(c.key.PublicKey), Nonce: nonce, Number: box.Next()}
		if err := errors.Join(box.Add(item, kept(nonce)), box.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if c.box, err = outbox.Open(dir, 10); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.box.Close() }) // a test's
	c.Intake = NewIntake(Options{
		Committee: committeetest.New(t, 1, 1, 1).Committee, Key: c.key, Box: c.box, Rollup: c.rollup,
		AcceptTimeout: time.Minute, Recorder: noFigures{}, Log: slog.New(slog.DiscardHandler),
	})
	return c
}

func kept(nonce uint64) []byte { return []byte{0x7e, byte(nonce)} }

func (c *counter) tx(nonce uint64) *types.Transaction {
	c.t.Helper()
	tx, err := types.SignNewTx(c.key, types.LatestSignerForChainID(big.NewInt(1337)), &types.DynamicFeeTx{
		ChainID: big.NewInt(1337), Nonce: nonce, Gas: 21000, GasFeeCap: big.NewInt(1), GasTipCap: big.NewInt(1), To: &common.Address{1},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return tx
}

func (c *counter) send(nonce uint64) {
	c.t.Helper()
	tx := c.tx(nonce)
	raw, err := tx.MarshalBinary()
	if err != nil {
		c.t.Fatal(err)
	}
	if hash, err := c.Send(c.t.Context(), raw); err != nil || hash != tx.Hash() {
		c.t.Fatalf("send nonce %d: %s, %v", nonce, hash, err)
	}
}

func TestARepeatAfterACrashIsAnsweredWhenTheRollupHasTheBundle(t *testing.T) {
	c := opened(t, 0)
	for range 2 {
		c.send(0)
		if len(c.rollup.bundles) != 1 || !bytes.Equal(c.rollup.bundles[0], kept(0)) {
			t.Fatalf("the rollup has %x", c.rollup.bundles)
		}
	}
}

func TestWhatACrashLeftIsHandedInBeforeTheSendersNextTransaction(t *testing.T) {
	c := opened(t, 0, 1)
	c.send(2)
	if b := c.rollup.bundles; len(b) != 3 || !bytes.Equal(b[0], kept(0)) || !bytes.Equal(b[1], kept(1)) {
		t.Fatalf("the rollup has %x", b)
	}
}

func TestWhatACrashLeftAndTheRollupRefusesIsInNobodysWay(t *testing.T) {
	c := opened(t, 0)
	c.rollup.refusing = kept(0)
	c.send(1)
	if b := c.rollup.bundles; len(b) != 1 {
		t.Fatalf("the rollup has %x", b)
	}
}

func TestANonceThatOnlySeemedTooHighIsTaken(t *testing.T) {
	c := opened(t)
	c.rollup.nonces = []uint64{0, 3} // asked before and after its earlier transactions went from the outbox into a block
	c.send(3)
	c.rollup.nonces = []uint64{4}
	raw, err := c.tx(6).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Send(t.Context(), raw); !errors.Is(err, ErrNonce) {
		t.Fatalf("a nonce that is too high: %v", err)
	}
}
