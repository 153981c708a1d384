package logrecord

import (
	"bytes"
	"fmt"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// Tip is what of a log decides whether a record may follow. It is pure: the simulator runs the same decision on a log of
// its own.
type Tip struct {
	Last   uint64 // number of the last record, 0 for none
	Token  uint64 // of the last record
	Holder string
}

// Admit says whether rec may be the next record on a chain with this head. ErrKnown is for a number the log has: Repeats
// tells what that means.
func (t Tip) Admit(rec *blueprintv1.LogRecord, head content.Hash) error {
	switch n := rec.GetNumber(); {
	case len(rec.GetContentHash()) != 32 || n == 0:
		return ErrMalformed
	case !rec.GetFollowed() && (rec.GetToken() == 0 || rec.GetHolder() == ""):
		return ErrMalformed
	case n <= t.Last:
		return ErrKnown
	case n > t.Last+1:
		return fmt.Errorf("%w: %d is", ErrGap, t.Last+1)
	case !bytes.Equal(rec.GetParentHash(), head[:]):
		return fmt.Errorf("%w: parent %x, head %x", ErrParent, rec.GetParentHash(), head)
	case rec.GetToken() < t.Token:
		return fmt.Errorf("%w: %d, the last record has %d", ErrStaleToken, rec.GetToken(), t.Token)
	case rec.GetToken() == t.Token && rec.GetHolder() != t.Holder:
		return fmt.Errorf("%w: %d was used by %s", ErrStaleToken, rec.GetToken(), t.Holder)
	}
	return nil
}

// Repeats tells a repeat of a record (ErrRepeated) from another content for its number (ErrConflict).
func Repeats(have, rec *blueprintv1.LogRecord) error {
	if !bytes.Equal(have.GetContentHash(), rec.GetContentHash()) {
		return fmt.Errorf("%w: %x, refused %x", ErrConflict, have.GetContentHash(), rec.GetContentHash())
	}
	return ErrRepeated
}
