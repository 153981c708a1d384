package producer

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blindseq/kit/ops"
	"blindseq/kit/redistest"
	"blindseq/kit/wal"
	"blindseq/producer-svc/internal/bplog"
	"blindseq/producer-svc/internal/engine"
	"blindseq/producer-svc/internal/fakes"
	"blindseq/producer-svc/internal/feed"
	"blindseq/producer-svc/internal/txstore"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"
)

var errFull = errors.New("no space left on device")

// fullFS lets nobody make a file.
type fullFS struct{ wal.FS }

func (fullFS) SyncDir(string) error            { return nil }
func (fullFS) Create(string) (wal.File, error) { return nil, errFull }

// soon is a context for what must have an end: a test fails with it, and does not hang.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestALogThatCannotBeWrittenEndsTheProcess(t *testing.T) {
	log, err := bplog.Open(filepath.Join(t.TempDir(), "log"), bplog.Options{WAL: wal.Options{FS: fullFS{}}})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	chain := fakes.NewChain()
	p := fakes.Preblock(chain.Head(), &proposalv1.RequestProposalRequest{RequestId: "r"}, [][]byte{{1}}, nil)
	for name, write := range map[string]func(*engine.Engine) error{
		"by a section": func(e *engine.Engine) error {
			_, err := e.Append(p, engine.Turn{Head: chain.Head(), Token: 1, Holder: "me"})
			return err
		},
		"by a follower": func(e *engine.Engine) error { _, err := e.Follow(t.Context(), p, nil); return err },
	} {
		health := ops.NewHealth()
		end := engine.NewEnd(health)
		err := write(engine.New(engine.Deps{Log: log, Chain: chain, Publisher: feed.New(nil, 0), End: end}))
		if engine.KindOf(err) != engine.Broken || !errors.Is(err, errFull) {
			t.Errorf("%s: got %v", name, err)
		}
		if err := end.Run(soon(t)); !errors.Is(err, errFull) || health.Live()["disk"] == "" {
			t.Errorf("%s: the process ends with %v, live %v", name, err, health.Live())
		}
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
	s.end.Fail(errFull)
	s.end.Fail(errors.New("what follows from it"))
	if err := s.Run(soon(t)); !errors.Is(err, errFull) {
		t.Fatalf("got %v", err)
	}
	if live := s.Health.Live(); !strings.Contains(live["disk"], "no space left") {
		t.Fatalf("live: %v", live)
	}
}

// TestATransactionStoreThatFailsEndsTheProcess: it is written by those who submit transactions, which have nobody to return a
// disk's error to but their clients.
func TestATransactionStoreThatFailsEndsTheProcess(t *testing.T) {
	order, err := fakes.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer order.Stop()
	s, err := New(t.Context(), testConfig(t, redistest.Mini(t), order), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.disk.Store.Close(); err != nil { // a database that is closed can be written no more
		t.Fatal(err)
	}
	if err := s.disk.Store.SetLocked(true, "a reason"); !errors.Is(err, txstore.ErrBroken) {
		t.Fatalf("got %v", err)
	}
	if err := s.end.Run(soon(t)); !errors.Is(err, txstore.ErrBroken) {
		t.Fatalf("the process ends with %v", err)
	}
}
