package input

import (
	"errors"
	"fmt"

	"blindseq/seal"
	"blindseq/seal/committee"
)

// ErrKey says that not exactly one key was named.
var ErrKey = errors.New("either --committee-file is needed, or --chain-id and --key together")

// Key are the flags that name the key which transactions are sealed to.
type Key struct {
	CommitteeFile string `help:"Committee file: it names chain and key." type:"path"`
	ChainID       uint64 `name:"chain-id" help:"Chain id, with --key and without --committee-file."`
	Key           string `help:"Committee's public key in hex, with --chain-id and without --committee-file."`
}

// Named says whether a key is named at all.
func (k *Key) Named() bool { return k.CommitteeFile != "" || k.Key != "" || k.ChainID != 0 }

// Validate refuses anything but one key.
func (k *Key) Validate() error {
	if (k.CommitteeFile == "") == (k.Key == "") || (k.ChainID != 0) != (k.Key != "") {
		return ErrKey
	}
	return nil
}

// Read returns the key and, if a file was named, its committee.
func (k *Key) Read() (*seal.Key, *committee.Committee, error) {
	if err := k.Validate(); err != nil {
		return nil, nil, err
	}
	if k.CommitteeFile != "" {
		c, err := committee.Read(k.CommitteeFile)
		if err != nil {
			return nil, nil, err
		}
		return c.Keys.Key, c, nil
	}
	var point seal.Point
	if err := point.UnmarshalText([]byte(k.Key)); err != nil {
		return nil, nil, fmt.Errorf("read --key: %w", err)
	}
	key, err := seal.NewKey(k.ChainID, point)
	if err != nil {
		return nil, nil, fmt.Errorf("read --key: %w", err)
	}
	return key, nil, nil
}
