package bundling

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common"
)

// absent is a rollup that answers nothing until a time.
type absent struct {
	Rollup
	until time.Time
}

func (a absent) ChainID(context.Context) (uint64, error) {
	if time.Now().Before(a.until) {
		return 0, errors.New("not there")
	}
	return 1337, nil
}

func TestARollupThatStartsIsNoticedWithinASecond(t *testing.T) {
	box, err := outbox.Open(t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close() // empty
	by := committeetest.New(t, 1, 1, 1).Committee
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		there := time.Now().Add(1100 * time.Millisecond)
		reasons := make(chan string, 100)
		w := NewWatcher(Options{Committee: by, Box: box, Rollup: absent{until: there}}, func(reason string) { reasons <- reason })
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		for reason := range reasons {
			if reason == "" {
				break
			}
		}
		if late := time.Since(there); late > time.Second {
			t.Errorf("noticed %s after it was there", late)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// forgetful is a rollup that holds nothing of what it is asked about.
type forgetful struct {
	taker
	away int // it does not take so many bundles after the first
}

func (f *forgetful) Look(_ context.Context, queries []rollup.Query) ([]rollup.State, error) {
	states := make([]rollup.State, len(queries))
	for i := range states {
		states[i].Status = "unknown"
	}
	return states, nil
}

func (f *forgetful) Submit(ctx context.Context, bundle []byte) error {
	if f.away > 0 && len(f.bundles) == 1 {
		f.away--
		return rollup.ErrAway
	}
	return f.taker.Submit(ctx, bundle)
}

type resends struct{ Recorder }

func (resends) Resent(string) {}

func TestWhatOneSenderSentIsSentAgainInTheOrderOfItsNonces(t *testing.T) {
	box, err := outbox.Open(t.TempDir(), 3)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close() // read again by nobody
	now := time.Now()
	for i, nonce := range []uint64{2, 0, 1} {
		item := outbox.Item{Hash: common.Hash{byte(i + 1)}, From: common.Address{1}, Nonce: nonce, Number: box.Next(), Since: uint64(now.Unix())}
		if err := box.Add(item, []byte{byte(nonce)}); err != nil {
			t.Fatal(err)
		}
		box.Accept(item.Hash, now)
	}
	r := &forgetful{away: 1}
	w := NewWatcher(Options{Committee: committeetest.New(t, 1, 1, 1).Committee, Box: box, Rollup: r, MaxAge: time.Hour, Recorder: resends{},
		Log: slog.New(slog.DiscardHandler)}, func(string) {})
	for range 2 { // away after the first, so that the second is not passed by
		now = now.Add(time.Minute)
		if err := w.round(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	if got := bytes.Join(r.bundles, nil); !bytes.Equal(got, []byte{0, 0, 1, 2}) {
		t.Errorf("sent in the order of nonces %v", got)
	}
}
