// Package blueprint is the format of blueprints and of the signed chunks they are published in: RLP of the ordered
// content, split in pieces that fit a layer-1 message, each signed by the sequencer. Encoding is canonical and Ed25519
// is deterministic, so one content always gives the same bytes, and decoders take nothing but those bytes.
package blueprint

import (
	"encoding/binary"
	"errors"
	"fmt"

	"blindseq/kit/content"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/rlp"
)

const (
	// MaxChunkBytes is the piece of a blueprint that fits one chunk of a layer-1 message: 4,095 bytes less its framing.
	MaxChunkBytes = 4095 - 1 - 20 - 1 - 32 - 2 - 2 - 16 - 64
	// MaxChunks is how many chunks a blueprint has at most.
	MaxChunks = 128
	// MaxBytes is how large an encoded blueprint can be.
	MaxBytes = MaxChunks * MaxChunkBytes
)

var (
	// ErrMalformed is returned for bytes that are not what Encode or Sign gives.
	ErrMalformed = errors.New("malformed blueprint")
	// ErrTooLarge is returned for a blueprint that does not fit MaxChunks chunks.
	ErrTooLarge = errors.New("blueprint too large")
)

// Blueprint is the ordered content of one block. Its number is not part of it: the chunks carry it.
type Blueprint struct {
	ParentHash   content.Hash
	Delayed      []content.Hash
	Transactions [][]byte
	Timestamp    int64 // seconds since 1970
}

// wire is the RLP shape. The timestamp is a string of 8 bytes, little-endian, not an RLP integer.
type wire struct {
	Parent       content.Hash
	Delayed      []content.Hash
	Transactions [][]byte
	Timestamp    [8]byte
}

// Of takes the blueprint out of a content that content.Check has accepted.
func Of(c *preblockv1.Content) Blueprint {
	b := Blueprint{Transactions: c.GetTransactions(), Timestamp: c.GetTimestamp().GetSeconds()}
	copy(b.ParentHash[:], c.GetPreviousBlockHash())
	for _, h := range c.GetDelayedTransactionHashes() {
		b.Delayed = append(b.Delayed, content.Hash(h))
	}
	return b
}

// Encode returns the RLP of b; ErrTooLarge when it does not fit the chunks.
func (b Blueprint) Encode() ([]byte, error) {
	w := wire{Parent: b.ParentHash, Delayed: b.Delayed, Transactions: b.Transactions}
	binary.LittleEndian.PutUint64(w.Timestamp[:], uint64(b.Timestamp))
	raw, err := rlp.EncodeToBytes(&w)
	if err != nil {
		return nil, fmt.Errorf("encode blueprint: %w", err)
	}
	if len(raw) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, %d chunks hold %d", ErrTooLarge, len(raw), MaxChunks, MaxBytes)
	}
	return raw, nil
}

// Decode is the inverse of Encode.
func Decode(raw []byte) (Blueprint, error) {
	if len(raw) > MaxBytes {
		return Blueprint{}, fmt.Errorf("%w: %d bytes, %d chunks hold %d", ErrTooLarge, len(raw), MaxChunks, MaxBytes)
	}
	var w wire
	if err := rlp.DecodeBytes(raw, &w); err != nil {
		return Blueprint{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return Blueprint{
		ParentHash:   w.Parent,
		Delayed:      w.Delayed,
		Transactions: w.Transactions,
		Timestamp:    int64(binary.LittleEndian.Uint64(w.Timestamp[:])),
	}, nil
}
