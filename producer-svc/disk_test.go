package producer

import (
	"blindseq/kit/ops"
	"blindseq/producer-svc/internal/engine"
	"blindseq/producer-svc/internal/feed"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"
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
)

var errFull = errors.New("no space left on device")

// fullFS lets nobody make a file.
type fullFS struct{ wal.FS }

func (fullFS) SyncDir(string) error            { return nil }
func (fullFS) Create(string) (wal.File, error) { return nil, errFull }

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
		if err := end.Run(context.WithoutCancel(t.Context())); !errors.Is(err, errFull) || health.Live()["disk"] == "" {
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
	if err := s.Run(context.WithoutCancel(t.Context())); !errors.Is(err, errFull) {
		t.Fatalf("got %v", err)
	}
	if live := s.Health.Live(); !strings.Contains(live["disk"], "no space left") {
		t.Fatalf("live: %v", live)
	}
}
