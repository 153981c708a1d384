package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"blindseq/e2e/history"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

// retryAfter is how long a wallet waits before it sends a transaction again.
const retryAfter = 50 * time.Millisecond

// ErrRefused is returned when a good transaction is refused, and not for want of a service.
var ErrRefused = errors.New("transaction refused")

// Stream sends transfers of one account, one after the other, at most one every pace, until ctx ends. Each is sent
// again until it is answered; the hash in an answer is what is acknowledged, and recorded.
func Stream(ctx context.Context, client *ethclient.Client, a *Account, pace time.Duration, r *history.Recorder) error {
	return stream(ctx, a, pace, r, func(tx *types.Transaction) (letter, error) {
		return letter{hash: tx.Hash(), send: func(ctx context.Context) error { return client.SendTransaction(ctx, tx) }}, nil
	})
}

// Swapped sends transfers of one account in pairs, the later nonce of each first, at most one pair every pace, until ctx ends. A
// pair of which one was acknowledged is sent as a whole.
func Swapped(ctx context.Context, client *ethclient.Client, a *Account, pace time.Duration, r *history.Recorder) error {
	return paced(ctx, pace, func() error { return swapped(ctx, client, a, r) })
}

// paced calls send again and again, at most once every pace, until ctx ends or it fails before that.
func paced(ctx context.Context, pace time.Duration, send func() error) error {
	next := time.NewTicker(pace)
	defer next.Stop()
	for {
		if err := send(); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
	}
}

func swapped(ctx context.Context, client *ethclient.Client, a *Account, r *history.Recorder) error {
	var pair [2]letter
	for i := range pair {
		tx, err := a.Transfer(a.Address)
		if err != nil {
			return err
		}
		pair[i] = letter{hash: tx.Hash(), send: func(ctx context.Context) error { return client.SendTransaction(ctx, tx) }}
	}
	if err := deliver(ctx, pair[1], a, r); err != nil {
		return err
	}
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return deliver(whole, pair[0], a, r)
}

// letter is a transaction ready to be sent, by the hash that its answer has.
type letter struct {
	hash   common.Hash
	sealed bool
	send   func(ctx context.Context) error
}

func stream(ctx context.Context, a *Account, pace time.Duration, r *history.Recorder, write func(*types.Transaction) (letter, error)) error {
	return paced(ctx, pace, func() error {
		tx, err := a.Transfer(a.Address)
		if err != nil {
			return err
		}
		l, err := write(tx)
		if err != nil {
			return err
		}
		return deliver(ctx, l, a, r)
	})
}

func deliver(ctx context.Context, l letter, a *Account, r *history.Recorder) error {
	sent := r.Now()
	for {
		attempt, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := l.send(attempt)
		cancel()
		switch {
		case err == nil:
			ack := history.Ack{Tx: l.hash, Sealed: l.sealed, By: a.Address.Hex(), Sent: sent, At: r.Now()}
			r.Add(func(h *history.History) { h.Acks = append(h.Acks, ack) })
			return nil
		case arrivedBefore(err):
			return nil // an earlier try got through, and its answer was lost: not acknowledged
		case !retryable(err):
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryAfter):
		}
	}
}

// arrivedBefore goes by the text, as wallets do: JSON-RPC has one code for all refusals of a pool.
func arrivedBefore(err error) bool {
	return strings.Contains(err.Error(), "already known") || strings.Contains(err.Error(), "nonce too low") ||
		strings.Contains(err.Error(), "ordered already")
}

// codeUnavailable is the JSON-RPC code of a refusal that passes, as docs/api.md has it.
const codeUnavailable = -32002

// retryable says whether an answer is "not now": a broken connection, a status of a proxy, the JSON-RPC code for it, or
// the pool's own code with a message that says so.
func retryable(err error) bool {
	var answer rpc.Error
	if !errors.As(err, &answer) {
		return true
	}
	if answer.ErrorCode() == codeUnavailable {
		return true
	}
	text := answer.Error()
	for _, s := range []string{"unavailable", "no leader", "not the leader", "starting", "stopping", "store failed", "cannot keep", "pool is full", "txpool is full"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}
