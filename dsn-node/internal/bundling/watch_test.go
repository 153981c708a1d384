package bundling

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"blindseq/dsn-node/committee/committeetest"
	"blindseq/dsn-node/internal/outbox"
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
	defer box.Close() //nolint:errcheck // empty
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
