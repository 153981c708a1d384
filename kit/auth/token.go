// Package auth decides who may produce blocks and administrate the producer. Such calls need a bearer token on every
// listener that other machines can reach. A loopback listener needs none, but a web page must not abuse a browser on this
// machine: calls from another origin, or under a host name (DNS rebinding), are refused there.
package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"blindseq/kit/secretfile"
)

const (
	minTokenLength = 16
	maxTokenFile   = 4 << 10
	lookEvery      = time.Second
)

// ErrTokenFile is wrapped by every refusal of a token file.
var ErrTokenFile = errors.New("token file cannot be used")

// Tokens are the secrets of which callers present one: several while they are exchanged, so that clients need not all change at the
// same moment. The file is read again when it changes; one that cannot be used changes nothing. Only hashes are kept, so that every
// comparison takes the same time and a memory dump does not show a token for long.
type Tokens struct {
	path string
	log  *slog.Logger

	mu     sync.Mutex
	looked time.Time
	seen   [sha256.Size]byte // hash of the content that is known
	sums   [][sha256.Size]byte
	failed string // what was logged last
}

// OpenTokens reads a file with one token on each line. The log has, once, each reason for which a later content is not used.
func OpenTokens(path string, log *slog.Logger) (*Tokens, error) {
	t := &Tokens{path: path, log: log, looked: time.Now()}
	if err := t.read(); err != nil {
		return nil, err
	}
	return t, nil
}

// read reads the file, and takes what it has when that is new and can be used.
func (t *Tokens) read() error {
	content, err := readTokens(t.path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTokenFile, err)
	}
	seen := sha256.Sum256(content)
	if seen == t.seen {
		return nil
	}
	var sums [][sha256.Size]byte
	for line := range strings.Lines(string(content)) {
		text := strings.TrimSpace(line)
		if text == "" {
			continue
		}
		if err := checkToken(text); err != nil {
			return fmt.Errorf("%w: %s: token %d %w", ErrTokenFile, t.path, len(sums)+1, err)
		}
		sums = append(sums, sha256.Sum256([]byte(text)))
	}
	if len(sums) == 0 {
		return fmt.Errorf("%w: %s holds no token", ErrTokenFile, t.path)
	}
	t.sums, t.seen = sums, seen
	return nil
}

func readTokens(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > maxTokenFile:
		return nil, fmt.Errorf("%s has %d bytes, at most %d are allowed", path, info.Size(), maxTokenFile)
	}
	if err := secretfile.Check(info); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return os.ReadFile(path)
}

func checkToken(text string) error {
	if len(text) < minTokenLength {
		return fmt.Errorf("has fewer than %d characters", minTokenLength)
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return fmt.Errorf("has a character at %d that cannot be sent in a header", i)
		}
	}
	return nil
}

// matches says whether one of the tokens was presented. Each is compared, so that the time does not tell which.
func (t *Tokens) matches(presented string) bool {
	sum, right := sha256.Sum256([]byte(presented)), 0
	for _, one := range t.now() {
		right |= subtle.ConstantTimeCompare(sum[:], one[:])
	}
	return right == 1
}

// now are the tokens of the file as it was within the last second.
func (t *Tokens) now() [][sha256.Size]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.looked) < lookEvery {
		return t.sums
	}
	t.looked = time.Now()
	err := t.read()
	switch {
	case err == nil:
		t.failed = ""
	case err.Error() != t.failed:
		t.failed = err.Error()
		t.log.Error("token file cannot be used; the tokens before stay", "error", err)
	}
	return t.sums
}
