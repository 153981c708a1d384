package producer

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"blindseq/kit/redistest"
	"blindseq/kit/wal"
	"blindseq/producer-svc/internal/bplog"
	"blindseq/producer-svc/internal/fakes"
	"blindseq/producer-svc/internal/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

var errFull = errors.New("no space left on device")

// fullFS lets nobody make a file.
type fullFS struct{ wal.FS }

func (fullFS) SyncDir(string) error            { return nil }
func (fullFS) Create(string) (wal.File, error) { return nil, errFull }

func TestALogThatCannotBeWrittenInterruptsTheSectionOrTheFollowerAndIsReported(t *testing.T) {
	log, err := bplog.Open(filepath.Join(t.TempDir(), "log"), bplog.Options{WAL: wal.Options{FS: fullFS{}}})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	var reported error
	d := decided{Log: log, failed: func(err error) { reported = err }}
	rec := &blueprintv1.LogRecord{Number: 1, ParentHash: make([]byte, 32), ContentHash: make([]byte, 32), Token: 1, Holder: "me"}
	if _, err := d.Append(rec, [32]byte{}); !errors.Is(err, section.ErrStorage) || !errors.Is(err, errFull) {
		t.Fatalf("got %v", err)
	}
	if !errors.Is(reported, errFull) {
		t.Fatalf("reported %v", reported)
	}
	reported = nil
	f := followed{d, func() uint64 { return 1 }}
	if err := f.AppendFollowed(rec, [32]byte{}); !errors.Is(err, section.ErrStorage) || !errors.Is(reported, errFull) {
		t.Fatalf("as a follower: got %v, reported %v", err, reported)
	}
}

func TestAProducerWhoseDiskFailsEnds(t *testing.T) {
	order, err := fakes.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer order.Stop()
	s, err := New(t.Context(), testConfig(t, redistest.Mini(t), order), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.disk.fail(errFull)
	s.disk.fail(errors.New("what follows from it"))
	if err := s.Run(context.WithoutCancel(t.Context())); !errors.Is(err, errFull) {
		t.Fatalf("got %v", err)
	}
	if live := s.health.Live(); !strings.Contains(live["disk"], "no space left") {
		t.Fatalf("live: %v", live)
	}
}
