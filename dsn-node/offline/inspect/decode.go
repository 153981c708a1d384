package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"blindseq/dsn-node/offline/internal/input"
	"blindseq/kit/wal"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"

	"google.golang.org/protobuf/proto"
)

// decode reads one object. Sealed transactions begin with their type, JSON with a brace; what is left is protobuf, and of
// that no two kinds here look alike. Protobuf can begin with space and a brace, too: a preblock
// with a content of 123 bytes does, and evidence for a committee whose hash begins with 7b.
func decode(b []byte, kind string) (object, error) {
	text := bytes.TrimSpace(b)
	switch {
	case len(text) > 0 && text[0] == '{' && kind != KindSealed:
		o, err := decodeJSON(text, kind)
		if err != nil {
			if o, err := decodeProto(b, kind); err == nil {
				return o, nil
			}
		}
		return o, err
	case kind == KindSealed || kind == KindAuto && seal.IsSealed(b):
		return &sealedObject{b}, nil
	}
	return decodeProto(b, kind)
}

func decodeProto(b []byte, kind string) (object, error) {
	for _, candidate := range candidates(kind) {
		if proto.Unmarshal(b, candidate) != nil {
			continue
		}
		if o := objectOf(candidate); o != nil && len(candidate.ProtoReflect().GetUnknown()) == 0 {
			return o, nil
		}
	}
	return nil, ErrUnknown
}

// candidates are empty messages of a kind. A preblock comes last: in JSON, whatever has a number could be one.
func candidates(kind string) (list []proto.Message) {
	for _, c := range []struct {
		kind    string
		message proto.Message
	}{
		{KindCertificate, &preblockv1.Certificate{}}, {KindEvidence, &keyholderv1.Evidence{}}, {KindPreblock, &preblockv1.Preblock{}},
	} {
		if kind == KindAuto || kind == c.kind {
			list = append(list, c.message)
		}
	}
	return list
}

// objectOf is nil for a message without what makes it one of its kind.
func objectOf(m proto.Message) object {
	switch m := m.(type) {
	case *preblockv1.Preblock:
		if m.GetContent() != nil {
			return shown{&preblockObject{m}}
		}
	case *preblockv1.Certificate:
		if len(m.GetAttestations()) > 0 {
			return shown{&certificateObject{m}}
		}
	case *keyholderv1.Evidence:
		if m.GetProof() != nil {
			return shown{&evidenceObject{m}}
		}
	}
	return nil
}

// maxFolder bounds the folder that is copied.
const maxFolder = 4 << 30

// loadFolder reads the records of an evidence folder. It works on a copy of its own: opening a log repairs it, and the
// folder may be in use or on a medium that cannot be written.
func loadFolder(path string) (objects []object, err error) {
	if err := checkFolder(path); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "evidence-*")
	if err != nil {
		return nil, fmt.Errorf("copy evidence: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.CopyFS(dir, os.DirFS(path)); err != nil {
		return nil, fmt.Errorf("copy evidence: %w", err)
	}
	log, err := wal.Open(dir, wal.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	for n := log.First(); n != 0 && n <= log.Last(); n++ {
		record, err := log.Read(n)
		if err != nil {
			return nil, err
		}
		o, err := decodeProto(record, KindEvidence)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", n, err)
		}
		objects = append(objects, o)
	}
	if len(objects) == 0 {
		return nil, fmt.Errorf("%w: there is no evidence in %s", ErrUnknown, path)
	}
	return objects, nil
}

// checkFolder refuses what is no log, before it is copied.
func checkFolder(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	var size int64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%w: %s is not an evidence folder: it holds %s", ErrUnknown, path, e.Name())
		}
		if size += info.Size(); size > maxFolder {
			return fmt.Errorf("%w: %s", input.ErrTooLarge, path)
		}
	}
	return nil
}
