package dkg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"blindseq/dsn-node/dkg/internal/ceremony"
	"blindseq/kit/testaddr"
	"blindseq/seal/committee"
	"blindseq/seal/keyfile"

	"github.com/ethereum/go-ethereum/common"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
)

func TestNothingIsWrittenOverAndAnUndecidedResultIsNotOverlooked(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "keys")
	if _, err := newStage(out); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(out, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := newStage(out); err != nil {
		t.Fatalf("an empty directory: %v", err)
	}
	if err := os.WriteFile(filepath.Join(out, "share.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newStage(out); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("a directory with a share: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "other.pending"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := newStage(filepath.Join(dir, "other")); !errors.Is(err, ErrPending) {
		t.Fatalf("a pending result: %v", err)
	}
}

// participants makes the configs of a ceremony whose first participant may have a passphrase.
func participants(t *testing.T, n, threshold int, passphrase string) []Config {
	t.Helper()
	dir := t.TempDir()
	c := ceremony.Ceremony{
		Name: t.Name(), ChainID: 1, FirstNumber: 1, Threshold: threshold, Roles: committee.Roles{Sequencers: []common.Address{{7}}},
	}
	if passphrase != "" {
		if err := os.WriteFile(filepath.Join(dir, "passphrase"), []byte(passphrase), 0o600); err != nil {
			t.Fatal(err)
		}
		passphrase = filepath.Join(dir, "passphrase")
	}
	var list []Config
	for i := range n {
		cfg := Config{
			CeremonyFile: filepath.Join(dir, "ceremony.json"), IdentityFile: filepath.Join(dir, fmt.Sprint(i, ".identity")),
			Out: filepath.Join(dir, fmt.Sprint(i)), StartTimeout: time.Minute, PhaseTimeout: time.Minute,
		}
		if i == 0 { // one is enough: it is slow on purpose
			cfg.PassphraseFile = passphrase
		}
		address, err := NewIdentity(Identity{Out: cfg.IdentityFile, PassphraseFile: cfg.PassphraseFile})
		if err != nil {
			t.Fatal(err)
		}
		cfg.GRPCAddress = testaddr.Next(t)
		c.Participants = append(c.Participants, ceremony.Participant{Identity: address, Endpoint: cfg.GRPCAddress})
		list = append(list, cfg)
	}
	b, err := json.Marshal(&c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list[0].CeremonyFile, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestAShareIsEncryptedWithItsPassphraseAndNothingKeepsRunning(t *testing.T) {
	defer goleak.VerifyNone(t)
	list := participants(t, 2, 2, "correct horse")
	outcomes := make([]*Summary, len(list))
	var g errgroup.Group
	for i, cfg := range list {
		g.Go(func() (err error) {
			outcomes[i], err = Run(t.Context(), cfg, slog.New(slog.DiscardHandler))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for i, o := range outcomes {
		if int(o.Authority) != i || o.Fingerprint != outcomes[0].Fingerprint || o.Hash != outcomes[0].Hash {
			t.Errorf("participant %d: %s", i, o)
		}
	}
	if _, err := keyfile.ReadShare(outcomes[0].Share, nil); !errors.Is(err, keyfile.ErrEncrypted) {
		t.Errorf("read without passphrase: %v", err)
	}
	if share, err := keyfile.ReadShare(outcomes[0].Share, []byte("correct horse")); err != nil || share.Authority() != 0 {
		t.Errorf("read with passphrase: %v, %v", share, err)
	}
}

func TestAResultThatCannotBeStagedFailsTheCeremonyForAll(t *testing.T) {
	list := participants(t, 2, 2, "")
	errs := make([]error, len(list))
	var g errgroup.Group
	g.Go(func() error {
		_, errs[0] = Run(t.Context(), list[0], slog.New(slog.DiscardHandler))
		return nil
	})
	g.Go(func() error {
		_, errs[1] = Run(t.Context(), list[1], slog.New(blocker{slog.DiscardHandler, list[1].Out + ".pending"}))
		return nil
	})
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(errs[1], fs.ErrExist) || !errors.Is(errs[0], ceremony.ErrEnded) {
		t.Fatalf("errors %v", errs)
	}
	for _, cfg := range list {
		if _, err := os.Lstat(cfg.Out); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", cfg.Out, err)
		}
	}
	if _, err := os.Lstat(list[0].Out + ".pending"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was staged is left: %v", err)
	}
}

// blocker puts a file where the result would be staged, when the ceremony begins.
type blocker struct {
	slog.Handler
	path string
}

func (b blocker) Enabled(context.Context, slog.Level) bool { return true }

func (b blocker) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "taking part in key generation" {
		return os.WriteFile(b.path, nil, 0o600)
	}
	return nil
}
