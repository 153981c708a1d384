// Package leak searches files, requests and Redis for bytes that must still be secret.
//
// It finds them as they are and in the forms in which programs write bytes as text. It does not decompress or decrypt. The
// compressor in use (snappy) keeps data without repetitions as it is, and keys, signatures and random data have none.
package leak

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
)

// shortest is how long a needle must be, so that no match is by chance, in any form.
const shortest = 12

// Needle is bytes to be looked for.
type Needle struct {
	Name  string
	Bytes []byte
}

// Search is a set of needles in all their forms.
type Search struct{ forms []form }

type form struct {
	name  string
	bytes []byte
}

// NewSearch prepares a search.
func NewSearch(needles ...Needle) (*Search, error) {
	s := &Search{}
	for _, n := range needles {
		if len(n.Bytes) < shortest {
			return nil, fmt.Errorf("search for %s: %d bytes are too few", n.Name, len(n.Bytes))
		}
		add := func(how string, b []byte) { s.forms = append(s.forms, form{n.Name + how, b}) }
		lower := hex.EncodeToString(n.Bytes)
		add("", n.Bytes)
		add(" in hex", []byte(lower))
		add(" in upper case hex", bytes.ToUpper([]byte(lower)))
		add(" in decimal", []byte(new(big.Int).SetBytes(n.Bytes).String()))
		for shift := range 3 { // three bytes are four letters, wherever the bytes begin in a longer text
			whole := n.Bytes[shift : shift+(len(n.Bytes)-shift)/3*3]
			add(" in base64", []byte(base64.RawStdEncoding.EncodeToString(whole)))
			add(" in base64 of URLs", []byte(base64.RawURLEncoding.EncodeToString(whole)))
		}
	}
	return s, nil
}

// In names the needles found in b, with their forms.
func (s *Search) In(b []byte) (found []string) {
	for _, f := range s.forms {
		if bytes.Contains(b, f.bytes) {
			found = append(found, f.name)
		}
	}
	return found
}

// Scan is what a look at many places gave.
type Scan struct {
	Files, Bytes int
	Found        []string // "<file>: <needle>"
}

// Files looks into every file below dir, and at the names. Files that vanish meanwhile are left out.
func (s *Search) Files(dir string) (scan Scan, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil || !entry.Type().IsRegular():
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		scan.Files++
		scan.Bytes += len(b)
		for _, name := range append(s.In(b), s.In([]byte(path))...) {
			scan.Found = append(scan.Found, path+": "+name)
		}
		return err
	})
	if err != nil {
		return scan, fmt.Errorf("search files: %w", err)
	}
	return scan, nil
}
