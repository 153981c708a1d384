// Package bundling takes plain transactions from wallets, encrypts each into a bundle of its own, and brings the bundles
// into blocks.
//
// It guarantees that a hash is answered only for a transaction that is on disk, as a bundle, and that the rollup has
// accepted; such a one is sent again until it is in a block, or its nonce is used by another, or the rollup says that it
// will never be in one, or it is too old. An error means that the bundler does not keep the transaction; only when the
// rollup did not answer, which the error says, it may still come into a block.
//
// The transactions of one sender go to the rollup one after the other, so that their order is that of their arrival: one
// ordered before its nonce is due would be opened, skipped, and readable while it waits for its nonce. For the same reason
// a transaction whose nonce leaves a gap is refused and not kept until the gap is filled.
package bundling

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	mathrand "math/rand/v2"
	"runtime"
	"time"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/dsn-node/internal/plaintx"
	"blindseq/kit/retry"
	"blindseq/seal/committee"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/semaphore"
)

var (
	// ErrNonce says that a transaction's nonce is not its sender's next one.
	ErrNonce = errors.New("nonce")
	// ErrTooHigh is an ErrNonce: transactions before this one are missing.
	ErrTooHigh = fmt.Errorf("%w too high", ErrNonce)
	// ErrFunds says that its sender cannot pay for it.
	ErrFunds = errors.New("insufficient funds for gas * price + value")
)

// Rollup is what is asked of the rollup.
type Rollup interface {
	Submit(ctx context.Context, bundle []byte) error
	Knows(ctx context.Context, hash common.Hash) (bool, error)
	Account(ctx context.Context, a common.Address) (rollup.Account, error)
	Look(ctx context.Context, queries []rollup.Query) ([]rollup.State, error)
	ChainID(ctx context.Context) (uint64, error)
}

// Recorder takes figures.
type Recorder interface {
	Encrypted(d time.Duration)
	Resent(result string)
	Ended(result string, after time.Duration)
}

// Options of a Intake and its Watcher; all are needed.
type Options struct {
	Committee     *committee.Committee
	Key           *ecdsa.PrivateKey // signs the bundles
	Box           *outbox.Box
	Rollup        Rollup
	AcceptTimeout time.Duration // of one transaction, until the rollup accepts it
	MaxAge        time.Duration // after which a transaction is given up
	Recorder      Recorder
	Log           *slog.Logger
}

// Intake takes transactions. Its methods may be called from any goroutine.
type Intake struct {
	o     Options
	turns turns
	busy  *semaphore.Weighted // encrypting takes a processor
}

// NewIntake makes an intake.
func NewIntake(o Options) *Intake {
	return &Intake{o: o, turns: newTurns(), busy: semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0)))}
}

// Send takes a raw transaction and answers its hash. A repeat is a success.
func (d *Intake) Send(ctx context.Context, raw []byte) (common.Hash, error) {
	tx, err := plaintx.Check(raw, d.o.Committee.ChainID)
	if err != nil {
		return common.Hash{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.o.AcceptTimeout)
	defer cancel()
	done, err := d.turns.take(ctx, tx.From)
	if err != nil {
		return common.Hash{}, fmt.Errorf("%w in time for this sender's earlier transactions", rollup.ErrAway)
	}
	defer done()
	if err := d.settle(ctx, tx.From); err != nil {
		return common.Hash{}, err
	}
	hash := tx.Hash()
	if d.o.Box.Accepted(hash) {
		return hash, nil
	}
	if err := d.admit(ctx, tx); err != nil {
		return common.Hash{}, err
	}
	bundle, err := d.keep(ctx, tx, raw)
	if err != nil {
		return common.Hash{}, err
	}
	// gofail: var bundleStored struct{}
	if err := d.submit(ctx, hash, bundle); err != nil {
		return common.Hash{}, errors.Join(err, d.o.Box.Remove(hash))
	}
	// gofail: var bundleForwarded struct{}
	d.o.Box.Accept(hash, time.Now().Add(backoff(0)))
	return hash, nil
}

// Waits tells whether a transaction is here and not in a block yet.
func (d *Intake) Waits(hash common.Hash) bool { return d.o.Box.Accepted(hash) }

// settle hands in once more what a sender sent before this process began. A crash may have come between keeping a bundle
// and handing it in: it would reach the rollup after those sent now, which would be skipped for their nonces.
func (d *Intake) settle(ctx context.Context, from common.Address) error {
	for _, item := range d.o.Box.Unsure(from) {
		bundle, err := d.o.Box.Bundle(item.Hash)
		if err != nil {
			return err
		}
		if bundle == nil {
			continue // it has ended meanwhile
		}
		err = d.submit(ctx, item.Hash, bundle)
		if refusal := (*rollup.Refusal)(nil); err != nil && !errors.As(err, &refusal) {
			return err
		}
		d.o.Box.HandedIn(item.Hash) // of one that is refused, the watcher finds out how it ended
	}
	return nil
}

// admit refuses what would be skipped for certain as things stand. A nonce that seems too high is looked at twice: the
// transactions before it may have left the outbox for a block after the rollup was asked.
func (d *Intake) admit(ctx context.Context, tx *plaintx.Tx) error {
	err := d.fits(ctx, tx)
	if errors.Is(err, ErrTooHigh) {
		err = d.fits(ctx, tx)
	}
	return err
}

func (d *Intake) fits(ctx context.Context, tx *plaintx.Tx) error {
	var a rollup.Account
	err := persist(ctx, func(ctx context.Context) (err error) {
		a, err = d.o.Rollup.Account(ctx, tx.From)
		return err
	})
	if err != nil {
		return err
	}
	next := d.o.Box.NextNonce(tx.From, max(a.Nonce, a.Pending))
	switch {
	case tx.Nonce() < a.Nonce:
		return fmt.Errorf("%w too low: next nonce %d, tx nonce %d", ErrNonce, a.Nonce, tx.Nonce())
	case tx.Nonce() > next:
		return fmt.Errorf("%w: next nonce %d, tx nonce %d; send the ones between first", ErrTooHigh, next, tx.Nonce())
	case a.Balance.Cmp(tx.Cost()) < 0:
		return fmt.Errorf("%w: balance %s, tx cost %s", ErrFunds, a.Balance, tx.Cost())
	}
	return nil
}

// keep encrypts a transaction and makes the bundle durable.
func (d *Intake) keep(ctx context.Context, tx *plaintx.Tx, raw []byte) ([]byte, error) {
	if err := d.busy.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("encrypt transaction: %w", err)
	}
	defer d.busy.Release(1)
	start := time.Now()
	item := outbox.Item{Hash: tx.Hash(), From: tx.From, Nonce: tx.Nonce(), Number: d.o.Box.Next(), Since: uint64(start.Unix())}
	payload, err := te.Encrypt(rand.Reader, d.o.Committee.Keys.Master(), raw)
	if err != nil {
		return nil, err
	}
	bundle := &te.Bundle{Payload: payload, Nonce: item.Number}
	if err := bundle.Sign(d.o.Key); err != nil {
		return nil, err
	}
	d.o.Recorder.Encrypted(time.Since(start))
	b := bundle.Encode()
	// gofail: var bundleStoring struct{}
	return b, d.o.Box.Add(item, b)
}

// submit hands a bundle in until the rollup has it.
func (d *Intake) submit(ctx context.Context, hash common.Hash, bundle []byte) error {
	return persist(ctx, func(ctx context.Context) error {
		err := d.o.Rollup.Submit(ctx, bundle)
		if refusal := (*rollup.Refusal)(nil); !errors.As(err, &refusal) {
			return err
		}
		// An earlier attempt, or an answer that was lost, may have brought it there.
		if known, asked := d.o.Rollup.Knows(ctx, hash); asked == nil && known {
			return nil
		}
		return err
	})
}

// persist repeats what the rollup did not answer, until ctx ends.
func persist(ctx context.Context, ask func(context.Context) error) error {
	pause := retry.Policy{First: 50 * time.Millisecond, Longest: time.Second}.New()
	for {
		err := ask(ctx)
		if err == nil || !errors.Is(err, rollup.ErrAway) || pause.Wait(ctx) != nil {
			return err
		}
	}
}

// The waits between looks at a transaction that is not in a block.
const (
	firstWait = time.Second
	mostWait  = 15 * time.Second
)

// backoff is how long to wait after a number of looks.
func backoff(visits int) time.Duration {
	return jitter(min(time.Duration(float64(firstWait)*math.Pow(1.5, float64(min(visits, 20)))), mostWait))
}

// jitter spreads a wait by a quarter to both sides.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + mathrand.N(d/2)
}
