// Package requestid makes and checks request ids. A proposal request, its event and its log lines share one id.
package requestid

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
)

// MaxLength bounds an id: it is part of Redis keys, of the proposal sent to the DSN and of every log line.
const MaxLength = 128

// ErrInvalid is wrapped by every error of Valid.
var ErrInvalid = errors.New("invalid request id")

// New returns an id with 128 bits of randomness. It passes Valid.
func New() string { return strings.ToLower(rand.Text()) }

// Valid says whether an id made elsewhere (an Idempotency-Key, a field of a request) may be used: 1 to MaxLength
// characters out of letters, digits and "-_.". Anything else could break out of a key or of a log line.
func Valid(id string) error {
	if id == "" {
		return fmt.Errorf("%w: it is empty", ErrInvalid)
	}
	if len(id) > MaxLength {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrInvalid, len(id), MaxLength)
	}
	for i := range len(id) {
		if !allowed(id[i]) {
			return fmt.Errorf("%w: character %q at %d, allowed are letters, digits, dash, underscore and dot", ErrInvalid, id[i], i)
		}
	}
	return nil
}

func allowed(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '-' || c == '_' || c == '.'
}
