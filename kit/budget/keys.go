package budget

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"blindseq/kit/secretfile"
)

// KeyHeader is the header in which a client sends its API key.
const KeyHeader = "X-Api-Key"

// ErrClientsFile is wrapped by every refusal of a clients file.
var ErrClientsFile = errors.New("clients file cannot be used")

const (
	maxClientsFile = 16 << 20
	minKeyLength   = 16
	lookEvery      = time.Second
)

// holder is a client of the clients file.
type holder struct {
	Name   string `json:"name"`
	Key    string `json:"key"`
	Factor int    `json:"factor"` // its bounds are so many times those of a client without a key
}

// keys are the clients of the clients file, which is read again when it changes. A file that cannot be used then changes nothing.
type keys struct {
	path   string
	broken func(error)

	mu     sync.Mutex
	looked time.Time
	seen   time.Time                     // modification time of what is known
	byKey  map[[sha256.Size]byte]*holder // by the hash of the key
}

func openKeys(path string, broken func(error)) (*keys, error) {
	k := &keys{path: path, broken: broken}
	if path == "" {
		return k, nil
	}
	return k, k.read()
}

// read reads the file when it is not the one that is known.
func (k *keys) read() error {
	info, err := os.Stat(k.path)
	if err == nil && info.ModTime().Equal(k.seen) {
		return nil
	}
	var byKey map[[sha256.Size]byte]*holder
	if err == nil {
		byKey, err = readKeys(k.path, info)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrClientsFile, k.path, err)
	}
	k.byKey, k.seen = byKey, info.ModTime()
	return nil
}

func readKeys(path string, info os.FileInfo) (map[[sha256.Size]byte]*holder, error) {
	if err := secretfile.Check(info); err != nil {
		return nil, err
	}
	if info.Size() > maxClientsFile {
		return nil, fmt.Errorf("it has %d bytes, at most %d", info.Size(), maxClientsFile)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []*holder
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		return nil, fmt.Errorf("want a list of name, key and factor: %w", err)
	}
	byKey, names := make(map[[sha256.Size]byte]*holder, len(all)), make(map[string]bool, len(all))
	for _, h := range all {
		sum := sha256.Sum256([]byte(h.Key))
		switch {
		case h.Name == "" || names[h.Name]:
			return nil, fmt.Errorf("a client has no name, or that of another: %q", h.Name)
		case len(h.Key) < minKeyLength || byKey[sum] != nil:
			return nil, fmt.Errorf("the key of %s has fewer than %d characters, or is that of another", h.Name, minKeyLength)
		case h.Factor < 1 || h.Factor > 10_000:
			return nil, fmt.Errorf("the factor of %s must be from 1 to 10000, not %d", h.Name, h.Factor)
		}
		h.Key = ""
		byKey[sum], names[h.Name] = h, true
	}
	return byKey, nil
}

// of returns the client with a key, nil for none.
func (k *keys) of(key string, now time.Time) *holder {
	if key == "" || k.path == "" {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.Sub(k.looked) >= lookEvery {
		k.looked = now
		if err := k.read(); err != nil {
			k.broken(err)
		}
	}
	return k.byKey[sha256.Sum256([]byte(key))]
}
