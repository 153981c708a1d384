// Package auth decides who may produce blocks and administrate the producer. Such calls need a bearer token on every
// listener that other machines can reach. A loopback listener needs none, but a web page must not abuse a browser on this
// machine: calls from another origin, or under a host name (DNS rebinding), are refused there.
package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"strings"

	"blindseq/kit/secretfile"
)

const (
	minTokenLength = 16
	maxTokenFile   = 4 << 10
)

// ErrTokenFile is wrapped by every refusal of a token file.
var ErrTokenFile = errors.New("token file cannot be used")

// Token is the secret that callers present. Only its hash is kept, so that every comparison takes the same time and a memory
// dump does not show the token for long.
type Token struct{ sum [sha256.Size]byte }

// LoadToken reads a token: the content of the file without surrounding white space.
func LoadToken(path string) (*Token, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTokenFile, err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: %s is not a regular file", ErrTokenFile, path)
	case info.Size() > maxTokenFile:
		return nil, fmt.Errorf("%w: %s has %d bytes, at most %d are allowed", ErrTokenFile, path, info.Size(), maxTokenFile)
	}
	if err := secretfile.Check(info); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrTokenFile, path, err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTokenFile, err)
	}
	return newToken(path, strings.TrimSpace(string(content)))
}

func newToken(path, text string) (*Token, error) {
	if len(text) < minTokenLength {
		return nil, fmt.Errorf("%w: %s holds fewer than %d characters", ErrTokenFile, path, minTokenLength)
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return nil, fmt.Errorf("%w: %s holds a character at %d that cannot be sent in a header", ErrTokenFile, path, i)
		}
	}
	return &Token{sha256.Sum256([]byte(text))}, nil
}

func (t *Token) matches(presented string) bool {
	sum := sha256.Sum256([]byte(presented))
	return subtle.ConstantTimeCompare(sum[:], t.sum[:]) == 1
}
