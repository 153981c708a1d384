// Package input is what the commands that need no network have in common: bytes given as hex, and the key to use.
package input

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

var (
	// ErrTooLarge says that there is more input than the command takes.
	ErrTooLarge = errors.New("input is too large")
	// ErrNotHex says that input is not hex.
	ErrNotHex = errors.New("input is not hex")
)

// Read returns the bytes of an argument in hex, with or without 0x; with no argument or "-", those of in.
func Read(arg string, in io.Reader, most int) ([]byte, error) {
	text := []byte(arg)
	if arg == "" || arg == "-" {
		var err error
		if text, err = All(in, 2*most+64); err != nil {
			return nil, err
		}
	}
	b, ok := Hex(text)
	if !ok {
		return nil, ErrNotHex // the library's error quotes the input, which may be a secret transaction
	}
	if len(b) > most {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(b), most)
	}
	return b, nil
}

// All reads everything, at most a number of bytes.
func All(in io.Reader, most int) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(in, int64(most)+1))
	if err != nil {
		return nil, fmt.Errorf("read input: %w", err)
	}
	if len(b) > most {
		return nil, fmt.Errorf("%w: over %d bytes", ErrTooLarge, most)
	}
	return b, nil
}

// Hex decodes text that is hex, with or without 0x and with space around it, and says whether it is. "0x" alone is not.
func Hex(text []byte) ([]byte, bool) {
	text = bytes.TrimPrefix(bytes.TrimSpace(text), []byte("0x"))
	b := make([]byte, hex.DecodedLen(len(text)))
	_, err := hex.Decode(b, text)
	return b, err == nil && len(b) > 0
}
