package merge

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"blindseq/kit/content"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// ErrForged is returned for a preblock that fails a check.
var ErrForged = errors.New("preblock refused")

// Verify checks a preblock before anything of it is kept: it must be well-formed, within the limits, and have the hash of its
// content.
func Verify(p *preblockv1.Preblock) (Arrived, error) {
	if err := content.Check(p.GetContent()); err != nil {
		return Arrived{}, fmt.Errorf("%w: number %d: %w", ErrForged, p.GetContent().GetNumber(), err)
	}
	hash := content.HashOf(p.GetContent())
	if !bytes.Equal(hash[:], p.GetContentHash()) {
		return Arrived{}, fmt.Errorf("%w: number %d: its hash is %x, not %x as it says", ErrForged, p.GetContent().GetNumber(), hash, p.GetContentHash())
	}
	return Arrived{Preblock: p, Identity: Identity{Hash: hash, Outcomes: digest(p.GetOutcomes())}}, nil
}

// digest is the same for two lists of outcomes when outcome.Same says so: opened with the same seed and transaction, or
// unopenable, whatever the proof. None has the zero digest.
func digest(outcomes []*preblockv1.Outcome) (sum [32]byte) {
	if len(outcomes) == 0 {
		return sum
	}
	h := sha256.New()
	field := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
		h.Write(b)
	}
	for _, o := range outcomes {
		kind := byte(0)
		switch o.GetResult().(type) {
		case *preblockv1.Outcome_Opened:
			kind = 1
		case *preblockv1.Outcome_Unopenable:
			kind = 2
		}
		h.Write(append(binary.BigEndian.AppendUint32(nil, o.GetIndex()), kind))
		field(o.GetOpened().GetSeed())
		field(o.GetOpened().GetTransaction())
	}
	return [32]byte(h.Sum(nil))
}
