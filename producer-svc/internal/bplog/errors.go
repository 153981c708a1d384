package bplog

import "errors"

var (
	// ErrKnown is a number the log has; Log tells it apart into the two that follow.
	ErrKnown = errors.New("the log has this number")
	// ErrRepeated is returned for a record the log already has with the same content: treat it as a success.
	ErrRepeated = errors.New("blueprint is in the log already")
	// ErrConflict is returned for a number the log already has with other content. Two contents for one number must
	// never exist: it is an alarm, and production stops.
	ErrConflict = errors.New("the log has another content for this blueprint number")
	// ErrGap is returned for a number that is not the next one.
	ErrGap = errors.New("blueprint number is not the next one")
	// ErrParent is returned for a record that does not build on the head.
	ErrParent = errors.New("blueprint does not build on the head")
	// ErrStaleToken is returned for a record written under a consumption lock that another holder has had since.
	ErrStaleToken = errors.New("fencing token is stale")
	// ErrNotFound is returned for a number the log does not have.
	ErrNotFound = errors.New("blueprint is not in the log")
	// ErrMalformed is returned for a record that no correct caller makes.
	ErrMalformed = errors.New("malformed log record")
)
