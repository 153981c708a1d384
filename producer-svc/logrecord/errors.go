// Package logrecord makes the records of the blueprint log and decides which may follow: pure functions that the producer and
// the simulator share.
package logrecord

import "errors"

var (
	// ErrKnown is a number the log has. Repeats tells a repeat (ErrRepeated) from another content (ErrConflict).
	ErrKnown = errors.New("the log has this number")
	// ErrRepeated is a record that the log has already, with the same content: treat it as a success.
	ErrRepeated = errors.New("blueprint is in the log already")
	// ErrConflict is a number that the log has with other content. Two contents for one number must never exist: it is an
	// alarm, and production stops.
	ErrConflict = errors.New("the log has another content for this blueprint number")
	// ErrGap is a number that is not the next one.
	ErrGap = errors.New("blueprint number is not the next one")
	// ErrParent is a record that does not build on the head.
	ErrParent = errors.New("blueprint does not build on the head")
	// ErrStaleToken is a record written under a consumption lock that another holder has had since.
	ErrStaleToken = errors.New("fencing token is stale")
	// ErrMalformed is a record that no correct caller makes.
	ErrMalformed = errors.New("malformed log record")
	// ErrUnknownDelayed is a preblock that names a delayed transaction this producer does not have.
	ErrUnknownDelayed = errors.New("delayed transaction is not known here; supply it with AddDelayedTransaction")
	// ErrOutcomes is a preblock whose outcomes do not fit its sealed transactions.
	ErrOutcomes = errors.New("outcomes do not fit the preblock's sealed transactions")
)
