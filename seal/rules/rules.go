// Package rules says what a content may hold: rules C1 to C3 and C5, used alike by the leader who fills a
// proposal, the sequencer who accepts it, the keyholders before they attest it, and the replicas who execute it.
//
// It guarantees: whether a content keeps the rules is a function of that content, the committee, and the contents before it;
// Check refuses it with the first reason found, in the order of its transactions; and a transaction that was checked lately
// is not checked again.
//
//	C1  every sealed transaction passes the check of package seal; n ≤ expiry ≤ n + lifetime; its gas is at least that of a
//	    transfer and at most MostGas; its fee is at least the content's base fee; its seq is the one that Window.Next gives
//	C2  sealed transactions stand before plain ones
//	C3  the gas of all sealed transactions is at most SealedGas
//	C5  its timestamp is not before that of the content before (CheckTimestamp), nor far ahead of the clock of a keyholder
//	    that attests it
//
// It asks of callers: to give the window of exactly the contents before, and to add each content to it once it is final.
package rules

import (
	"errors"
	"fmt"
	"time"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee"
)

const (
	// MinGas is the gas of a transfer.
	MinGas = 21_000
	// MaxGas is the most gas that one transaction may have since the Osaka fork (EIP-7825); here it holds before it too, because
	// keyholders do not know forks.
	MaxGas = 1 << 24
)

// MostGas is the most gas that one sealed transaction of a chain may have.
func MostGas(limits committee.Limits) uint64 { return min(limits.SealedGas, MaxGas) }

// What a content can break. Every refusal wraps ErrContent and the reason: one of these, or a reason of package seal.
var (
	// ErrContent: the content breaks a rule.
	ErrContent = errors.New("content breaks a rule")
	// ErrPlace: a sealed transaction stands after a plain one.
	ErrPlace = errors.New("sealed transactions must stand first")
	// ErrExpiry: a sealed transaction has expired, or expires later than the lifetime allows.
	ErrExpiry = errors.New("expiry out of range")
	// ErrGas: the gas of a sealed transaction, or of all together, is out of range.
	ErrGas = errors.New("gas out of range")
	// ErrFee: a sealed transaction does not pay the base fee that the content names.
	ErrFee = errors.New("fee is below the base fee")
	// ErrTimestamp: the content is before the one before it.
	ErrTimestamp = errors.New("timestamp is before that of the content before")
	// ErrClock: the content is ahead of the clock. It wraps no ErrContent: the same content may be attested later.
	ErrClock = errors.New("timestamp is too far ahead of the clock")
	// ErrSeq: a sealed transaction is not its submitter's next one.
	ErrSeq = errors.New("not the submitter's next seq")
	// ErrWindow: the window is not that of the contents before.
	ErrWindow = errors.New("the window of seqs is at another number")
)

// Transaction is a sealed transaction of a content that passed the check.
type Transaction struct {
	// Index in the content's transactions.
	Index uint32
	*seal.Checked
}

// Check checks a content against the rules. w must hold the contents up to the number before; it is not changed.
func (k *Checker) Check(p *preblockv1.Content, w *Window) ([]Transaction, error) {
	txs, err := k.check(p, w)
	if err != nil {
		return nil, fmt.Errorf("check content %d: %w", p.GetNumber(), err)
	}
	return txs, nil
}

func (k *Checker) check(p *preblockv1.Content, w *Window) ([]Transaction, error) {
	if w.Last()+1 != p.GetNumber() {
		return nil, fmt.Errorf("%w: %d, before %d", ErrWindow, w.Last(), p.GetNumber())
	}
	txs, err := k.sealed(p)
	if err != nil {
		return nil, err
	}
	headers := make([]seal.Header, len(txs))
	for i, tx := range txs {
		headers[i] = tx.Sealed().Header
	}
	if err := checkHeaders(p, headers, k.committee.Limits, w); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrContent, err)
	}
	return txs, nil
}

// CheckHeaders checks the rules that need only the headers of a content's sealed transactions, which stand first in it: expiry,
// gas, fee and seq. It is for replicas, who have a certificate that shows the rest.
func CheckHeaders(p *preblockv1.Content, headers []seal.Header, limits committee.Limits, w *Window) error {
	number := p.GetNumber()
	if w.Last()+1 != number {
		return fmt.Errorf("check content %d: %w: %d", number, ErrWindow, w.Last())
	}
	if err := checkHeaders(p, headers, limits, w); err != nil {
		return fmt.Errorf("check content %d: %w: %w", number, ErrContent, err)
	}
	return nil
}

func checkHeaders(p *preblockv1.Content, headers []seal.Header, limits committee.Limits, w *Window) error {
	ahead := w.Plan(p.GetNumber())
	gas := uint64(0)
	for i, h := range headers {
		if err := Admissible(h, p.GetNumber(), p.GetBaseFee(), limits); err != nil {
			return fmt.Errorf("sealed transaction %d: %w", i, err)
		}
		if gas += h.Gas; gas > limits.SealedGas {
			return fmt.Errorf("sealed transaction %d: %w: %d of all up to here, at most %d", i, ErrGas, gas, limits.SealedGas)
		}
		if next := ahead.Take(h.Submitter); h.Seq != next {
			return fmt.Errorf("sealed transaction %d: %w: %d of %s, next is %d", i, ErrSeq, h.Seq, h.Submitter, next)
		}
	}
	return nil
}

// Admissible checks what a header alone says about a content's number and base fee: expiry, gas and fee.
func Admissible(h seal.Header, number, baseFee uint64, limits committee.Limits) error {
	switch {
	case h.Expiry < number:
		return fmt.Errorf("%w: %d is before %d", ErrExpiry, h.Expiry, number)
	case h.Expiry-number > limits.Lifetime:
		return fmt.Errorf("%w: %d is more than %d after %d", ErrExpiry, h.Expiry, limits.Lifetime, number)
	case h.Gas < MinGas || h.Gas > MostGas(limits):
		return fmt.Errorf("%w: %d, at least %d and at most %d", ErrGas, h.Gas, MinGas, MostGas(limits))
	case h.Fee < baseFee:
		return fmt.Errorf("%w: %d, the base fee is %d", ErrFee, h.Fee, baseFee)
	}
	return nil
}

// ClockSkew is how far ahead of a keyholder's clock a content may be.
const ClockSkew = 15 * time.Second

// CheckTimestamp checks the timestamp of a content, in seconds, against that of the content before, 0 before the first.
func CheckTimestamp(previous, timestamp int64) error {
	if timestamp < previous {
		return fmt.Errorf("%w: %w: %d, before it %d", ErrContent, ErrTimestamp, timestamp, previous)
	}
	return nil
}

// CheckClock checks the timestamp of a content against the clock of a keyholder that has not attested it before. Nobody else
// judges clocks.
func CheckClock(timestamp int64, now time.Time) error {
	if time.Unix(timestamp, 0).Sub(now) > ClockSkew {
		return fmt.Errorf("%w: %d is more than %s after %d", ErrClock, timestamp, ClockSkew, now.Unix())
	}
	return nil
}
