package merge

import (
	"bytes"
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
	return Arrived{Preblock: p, Hash: hash}, nil
}
