package seal

import (
	"encoding/hex"
	"fmt"
	"strings"
)

func (p Point) String() string { return "0x" + hex.EncodeToString(p[:]) }

// MarshalText writes 0x and lower-case hex.
func (p Point) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads hex with or without 0x. It does not decode the point.
func (p *Point) UnmarshalText(text []byte) error { return unhex(p[:], text) }

func (id ID) String() string { return "0x" + hex.EncodeToString(id[:]) }

// MarshalText writes 0x and lower-case hex.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads hex with or without 0x.
func (id *ID) UnmarshalText(text []byte) error { return unhex(id[:], text) }

func (id KeyID) String() string { return "0x" + hex.EncodeToString(id[:]) }

// MarshalText writes 0x and lower-case hex.
func (id KeyID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads hex with or without 0x.
func (id *KeyID) UnmarshalText(text []byte) error { return unhex(id[:], text) }

// unhex reads exactly len(dst) bytes.
func unhex(dst, text []byte) error {
	b, err := hex.DecodeString(strings.TrimPrefix(string(text), "0x"))
	if err != nil {
		return fmt.Errorf("decode %d bytes of hex: %w", len(dst), err)
	}
	if len(b) != len(dst) {
		return fmt.Errorf("decode %d bytes of hex: %d bytes", len(dst), len(b))
	}
	copy(dst, b)
	return nil
}
