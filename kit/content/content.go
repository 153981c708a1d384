// Package content defines the hash and the limits of the contents that the DSN puts in order. Two contents are the same
// exactly when their hashes are.
package content

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/crypto/keccak"
	"github.com/ethereum/go-ethereum/rlp"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Hash is a Keccak-256 hash.
type Hash = [32]byte

const (
	// MaxBlueprintBytes is how much a blueprint's RLP can hold: 128 chunks of 3,957 bytes.
	MaxBlueprintBytes = 128 * 3957
	// DelayedTransactionBytes is what one delayed transaction counts for in that budget.
	DelayedTransactionBytes = 4096
	// LastSecond is the end of the year 9999, the last that RFC 3339 and a timestamp message can hold.
	LastSecond = 253402300799
)

// ErrMalformed is returned for a content that no correct program makes.
var ErrMalformed = errors.New("malformed content")

// ErrTooLarge is returned for a content that no blueprint can hold.
var ErrTooLarge = errors.New("content too large")

// Keccak returns the Keccak-256 hash of data.
func Keccak(data []byte) (h Hash) {
	k := keccak.NewLegacyKeccak256()
	k.Write(data)
	k.Sum(h[:0])
	return h
}

// HashOf returns keccak256(number, 8 bytes || base fee, 8 bytes || blueprint), numbers big-endian, blueprint being the RLP list
// [parent hash, [delayed hash, ...], [transaction, ...], timestamp as 8 bytes little-endian] of the blueprint format.
// The number is part of it, unlike in the DSN's certificates, so that no content can stand for another number.
func HashOf(c *preblockv1.Content) (h Hash) {
	k := keccak.NewLegacyKeccak256()
	var words [16]byte
	binary.BigEndian.PutUint64(words[:8], c.GetNumber())
	binary.BigEndian.PutUint64(words[8:], c.GetBaseFee())
	k.Write(words[:])
	writeBlueprint(k, c)
	k.Sum(h[:0])
	return h
}

// writeBlueprint streams the RLP, so that hashing a full block allocates no second copy of it.
func writeBlueprint(k hash.Hash, c *preblockv1.Content) {
	b := rlp.NewEncoderBuffer(k)
	outer := b.List()
	b.WriteBytes(c.GetPreviousBlockHash())
	writeList(b, c.GetDelayedTransactionHashes())
	writeList(b, c.GetTransactions())
	var ts [8]byte
	binary.LittleEndian.PutUint64(ts[:], uint64(c.GetTimestamp().GetSeconds()))
	b.WriteBytes(ts[:])
	b.ListEnd(outer)
	b.Flush() //nolint:errcheck // a hash never fails to write
}

func writeList(b rlp.EncoderBuffer, items [][]byte) {
	l := b.List()
	for _, item := range items {
		b.WriteBytes(item)
	}
	b.ListEnd(l)
}

// Size returns what a content counts for in a blueprint's byte budget: the RLP of the blueprint, with each delayed
// transaction counted as DelayedTransactionBytes.
func Size(c *preblockv1.Content) int {
	delayed, txs := uint64(0), uint64(0)
	for _, h := range c.GetDelayedTransactionHashes() {
		delayed += rlp.BytesSize(h)
	}
	for _, tx := range c.GetTransactions() {
		txs += rlp.BytesSize(tx)
	}
	body := rlp.BytesSize(c.GetPreviousBlockHash()) + rlp.ListSize(delayed) + rlp.ListSize(txs) + 9 // timestamp: 1 + 8
	return int(rlp.ListSize(body)) + len(c.GetDelayedTransactionHashes())*DelayedTransactionBytes
}

// CheckTimestamp refuses a timestamp that no content can have: none, one within a second, or one that RFC 3339 cannot write.
func CheckTimestamp(t *timestamppb.Timestamp) error {
	switch {
	case t == nil:
		return errors.New("no timestamp")
	case t.GetNanos() != 0:
		return errors.New("timestamp with a fraction of a second")
	case t.GetSeconds() < 0 || t.GetSeconds() > LastSecond:
		return fmt.Errorf("timestamp %d is not between the years 1970 and 9999", t.GetSeconds())
	}
	return nil
}

// Check refuses a content that is malformed (ErrMalformed) or does not fit a blueprint (ErrTooLarge).
func Check(c *preblockv1.Content) error {
	switch {
	case c == nil:
		return fmt.Errorf("%w: none given", ErrMalformed)
	case c.GetNumber() == 0:
		return fmt.Errorf("%w: blueprint number 0, the first is 1", ErrMalformed)
	case len(c.GetPreviousBlockHash()) != 32:
		return fmt.Errorf("%w: previous block hash of %d bytes, must be 32", ErrMalformed, len(c.GetPreviousBlockHash()))
	}
	if err := CheckTimestamp(c.GetTimestamp()); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	for i, h := range c.GetDelayedTransactionHashes() {
		if len(h) != 32 {
			return fmt.Errorf("%w: delayed transaction hash %d of %d bytes, must be 32", ErrMalformed, i, len(h))
		}
	}
	for i, tx := range c.GetTransactions() {
		if len(tx) == 0 {
			return fmt.Errorf("%w: transaction %d is empty", ErrMalformed, i)
		}
	}
	if size := Size(c); size > MaxBlueprintBytes {
		return fmt.Errorf("%w: %d bytes, a blueprint holds %d", ErrTooLarge, size, MaxBlueprintBytes)
	}
	return nil
}
