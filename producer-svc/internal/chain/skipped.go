package chain

import (
	"io"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/rlp"
)

// SkippedIn is what an applied block had to skip.
func (c *Chain) SkippedIn(number uint64) ([]Skipped, error) {
	rec, err := c.readRecord(number)
	return rec.Skipped, err
}

// storedSkipped is a Skipped as a record has it. Early is a pointer because RLP leaves out an optional field that is false: a
// record without the field must be told from one that says false.
type storedSkipped struct {
	Hash   common.Hash
	Reason string
	Early  *bool `rlp:"optional"` // nil in records of v0.1.0
}

// EncodeRLP writes the stored form.
func (s Skipped) EncodeRLP(w io.Writer) error {
	return rlp.Encode(w, storedSkipped{Hash: s.Hash, Reason: s.Reason, Early: &s.Early})
}

// DecodeRLP reads the stored form. v0.1.0 stored no Early and took it from the reason, so a record of it is read the same way.
func (s *Skipped) DecodeRLP(stream *rlp.Stream) error {
	var stored storedSkipped
	if err := stream.Decode(&stored); err != nil {
		return err // as it is: rlp compares it to find the end of a list
	}
	*s = Skipped{Hash: stored.Hash, Reason: stored.Reason}
	if stored.Early != nil {
		s.Early = *stored.Early
	} else {
		s.Early = strings.HasPrefix(stored.Reason, core.ErrNonceTooHigh.Error())
	}
	return nil
}
