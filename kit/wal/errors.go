package wal

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound says that the log does not hold the number asked for.
	ErrNotFound = errors.New("record not found")
	// ErrOutOfOrder says that an appended number is not the next one.
	ErrOutOfOrder = errors.New("number is not the next one")
	// ErrBroken says that a write or fsync failed earlier: what is on disk is unknown until the log is opened again.
	ErrBroken = errors.New("log is broken by an earlier write error")
	// ErrClosed says that the log was closed.
	ErrClosed = errors.New("log is closed")
	// ErrLocked says that another process, or another Log of this one, has the directory.
	ErrLocked = errors.New("log directory is in use by another process")
	// ErrTooLarge says that a record is over Options.MaxRecord.
	ErrTooLarge = errors.New("record is too large")
)

// DamageError says that a log cannot be trusted: bytes that were once acknowledged are gone or changed. The log is
// not opened and nothing is repaired: an operator restores the file or the whole log from elsewhere.
type DamageError struct {
	Path   string // damaged file
	Offset int64  // where the damaged frame begins
	Number uint64 // the record that should be there
	Reason string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("log damaged at %s, offset %d, record %d: %s", e.Path, e.Offset, e.Number, e.Reason)
}
