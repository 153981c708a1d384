package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// maxFiles bounds the evidence on disk. The first of it says as much as all.
const maxFiles = 16

// Evidence is a published blueprint that does not follow, with the one that does. The certified preblock of the number, which
// everybody can get, shows which is which.
type Evidence struct {
	Number uint64          `json:"number"`
	Key    hexutil.Bytes   `json:"sequencerKey,omitempty"` // absent when it is not known here
	Signed bool            `json:"signed"`                 // by that key
	Chunks []hexutil.Bytes `json:"chunks"`                 // as they were published
	Own    hexutil.Bytes   `json:"own"`                    // RLP of the blueprint that follows
}

// Keep writes evidence into a directory and returns the file. What is there for the number stays.
func Keep(dir string, key []byte, f Finding, chunks [][]byte) (path string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("keep evidence: %w", err)
	}
	if files, err := os.ReadDir(dir); err == nil && len(files) >= maxFiles {
		return "", fmt.Errorf("keep evidence: %s has %d files already", dir, len(files))
	}
	e := Evidence{Number: f.Number, Key: key, Signed: f.Signed, Own: f.Own}
	for _, c := range chunks {
		e.Chunks = append(e.Chunks, c)
	}
	text, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return "", fmt.Errorf("keep evidence: %w", err)
	}
	path = filepath.Join(dir, fmt.Sprintf("blueprint-%d.json", f.Number))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return path, nil
	}
	if err == nil {
		_, err = file.Write(text)
		err = errors.Join(err, file.Sync(), file.Close())
	}
	if err != nil {
		return "", fmt.Errorf("keep evidence: %w", err)
	}
	return path, nil
}
