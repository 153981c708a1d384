package history

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/rlp"
	"golang.org/x/crypto/blake2b"
)

// chunks checks S1 on what is published: the signed chunks hold what the block executed, and S11: everyone got the same
// bytes.
func (c *checker) chunks() {
	first := map[uint64][][]byte{}
	for _, b := range c.Blueprints {
		n := b.Value.GetNumber()
		if chunks, ok := first[n]; ok {
			if !equalChunks(chunks, b.Value.GetChunks()) {
				c.violated("S11", "the chunks of blueprint %d differ to %s", n, b.By)
			}
			continue
		}
		first[n] = b.Value.GetChunks()
		if err := verifyChunks(b.Value, c.Key); err != nil {
			c.violated("S1", "chunks of blueprint %d (%s): %v", n, b.By, err)
		}
	}
}

func equalChunks(a, b [][]byte) bool {
	return slices.EqualFunc(a, b, bytes.Equal)
}

// chunkFields is a signed chunk on the wire; without Signature it is what is signed.
type chunkFields struct {
	Value     []byte
	Number    [32]byte
	Count     [2]byte
	Index     [2]byte
	Signature []byte
}

// verifyChunks decodes b's chunks by the formats page, independently of the producer's code, and compares.
func verifyChunks(b *blueprintv1.Blueprint, key ed25519.PublicKey) error {
	var value []byte
	for i, raw := range b.GetChunks() {
		var f chunkFields
		if err := rlp.DecodeBytes(raw, &f); err != nil {
			return fmt.Errorf("chunk %d: %w", i, err)
		}
		if n := binary.LittleEndian.Uint64(f.Number[:8]); n != b.GetNumber() {
			return fmt.Errorf("chunk %d is of blueprint %d", i, n)
		}
		if count := int(binary.LittleEndian.Uint16(f.Count[:])); count != len(b.GetChunks()) {
			return fmt.Errorf("chunk %d says there are %d chunks, there are %d", i, count, len(b.GetChunks()))
		}
		if index := int(binary.LittleEndian.Uint16(f.Index[:])); index != i {
			return fmt.Errorf("chunk %d says it is chunk %d", i, index)
		}
		if key != nil && !f.signedBy(key) {
			return fmt.Errorf("chunk %d is not signed by the sequencer", i)
		}
		value = append(value, f.Value...)
	}
	want, err := encodeBlueprint(b)
	if err != nil {
		return err
	}
	if !bytes.Equal(value, want) {
		return errors.New("they hold another content")
	}
	return nil
}

func (f *chunkFields) signedBy(key ed25519.PublicKey) bool {
	raw, err := rlp.EncodeToBytes([]any{f.Value, f.Number[:], f.Count[:], f.Index[:]})
	if err != nil {
		return false
	}
	digest := blake2b.Sum256(raw)
	return ed25519.Verify(key, digest[:], f.Signature)
}

// encodeBlueprint is what is published of a block: what it executed. A delayed transaction after others stands among them by
// its hash.
func encodeBlueprint(b *blueprintv1.Blueprint) ([]byte, error) {
	delayed, txs := [][]byte{}, [][]byte{}
	for _, one := range b.GetExecuted() {
		raw := one.GetRaw()
		if one.GetDelayed() {
			hash := content.Keccak(raw)
			raw, delayed = hash[:], append(delayed, hash[:])
		}
		if !one.GetDelayed() || len(txs) > 0 {
			txs = append(txs, raw)
		}
	}
	var ts [8]byte
	binary.LittleEndian.PutUint64(ts[:], uint64(b.GetTimestamp().GetSeconds()))
	return rlp.EncodeToBytes([]any{b.GetParentHash(), delayed, txs, ts[:]})
}
