package audit

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"blindseq/producer-svc/blueprint"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"google.golang.org/grpc"
)

func keyOf(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(append(make([]byte, ed25519.SeedSize-1), b))
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// ours is what follows from the preblocks.
func ours(number uint64) (blueprint.Blueprint, error) {
	if number > 100 {
		return blueprint.Blueprint{}, blueprint.ErrNotApplied
	}
	return blueprint.Blueprint{Timestamp: int64(number), Transactions: [][]byte{{byte(number)}, make([]byte, 5000)}}, nil
}

func signed(t *testing.T, key ed25519.PrivateKey, number uint64, change func(*blueprint.Blueprint)) [][]byte {
	t.Helper()
	b, err := ours(number)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&b)
	}
	chunks, err := blueprint.Sign(key, number, b)
	if err != nil {
		t.Fatal(err)
	}
	return chunks
}

func TestAPublishedBlueprintFollowsOrDoesNot(t *testing.T) {
	key, stranger := keyOf(1), keyOf(2)
	for name, x := range map[string]struct {
		chunks          [][]byte
		by              ed25519.PublicKey
		follows, signed bool
	}{
		"as it follows":         {signed(t, key, 3, nil), publicOf(key), true, true},
		"of an unknown key":     {signed(t, key, 3, nil), nil, true, false},
		"signed by another":     {signed(t, stranger, 3, nil), publicOf(key), true, false},
		"without a transaction": {signed(t, key, 3, func(b *blueprint.Blueprint) { b.Transactions = b.Transactions[1:] }), publicOf(key), false, true},
		"another order": {signed(t, key, 3, func(b *blueprint.Blueprint) {
			b.Transactions = [][]byte{b.Transactions[1], b.Transactions[0]}
		}), publicOf(key), false, true},
		"another parent":    {signed(t, key, 3, func(b *blueprint.Blueprint) { b.ParentHash[0]++ }), publicOf(key), false, true},
		"another timestamp": {signed(t, key, 3, func(b *blueprint.Blueprint) { b.Timestamp++ }), publicOf(key), false, true},
	} {
		f, err := Check(x.by, x.chunks, ours)
		if err != nil || f.Number != 3 || f.Follows() != x.follows || f.Signed != x.signed {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	for name, chunks := range map[string][][]byte{"none": nil, "no chunk": {{1}}, "the first alone": signed(t, key, 3, nil)[:1]} {
		if _, err := Check(nil, chunks, ours); !errors.Is(err, blueprint.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	later := signed(t, key, 3, nil)
	if _, err := Check(nil, later, func(uint64) (blueprint.Blueprint, error) { return blueprint.Blueprint{}, blueprint.ErrNotApplied }); !errors.Is(err, blueprint.ErrNotApplied) {
		t.Errorf("one that is not applied here: %v", err)
	}
}

// leader publishes; lies has what it changes.
type leader struct {
	t     *testing.T
	lies  func(number uint64, b *blueprint.Blueprint)
	asked []uint64
	away  atomic.Bool
}

func (l *leader) GetBlueprint(_ context.Context, r *blueprintv1.GetBlueprintRequest, _ ...grpc.CallOption) (*blueprintv1.GetBlueprintResponse, error) {
	if l.away.Load() {
		return nil, errors.New("away")
	}
	l.asked = append(l.asked, r.GetNumber())
	chunks := signed(l.t, keyOf(1), r.GetNumber(), func(b *blueprint.Blueprint) { l.lies(r.GetNumber(), b) })
	return &blueprintv1.GetBlueprintResponse{Blueprint: &blueprintv1.Blueprint{Number: r.GetNumber(), Chunks: chunks}}, nil
}

func TestAFollowerSamplesWhatTheLeaderPublishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &leader{t: t, lies: func(number uint64, b *blueprint.Blueprint) {
			if number == 7 {
				b.Transactions = nil
			}
		}}
		var head atomic.Uint64
		var leads atomic.Bool // this replica itself
		var found []uint64
		a := New(Deps{
			Leading: l, Follows: func() bool { return !leads.Load() }, Head: head.Load, Own: ours, Key: publicOf(keyOf(1)),
			Differs: func(f Finding, chunks [][]byte) {
				if !f.Signed || len(chunks) == 0 || f.Follows() {
					t.Errorf("found %+v", f)
				}
				found = append(found, f.Number)
			}, Log: slog.New(slog.DiscardHandler),
		})
		ctx, cancel := context.WithCancel(t.Context())
		go a.Run(ctx) //nolint:errcheck // it returns nil
		for n := uint64(1); n <= 10; n++ {
			head.Store(n)
			time.Sleep(3 * Every) // once for each head, however long it stays
			synctest.Wait()
		}
		if len(l.asked) != 10 || len(found) != 1 || found[0] != 7 {
			t.Errorf("asked for %v, found %v", l.asked, found)
		}
		leads.Store(true)
		head.Store(11)
		time.Sleep(3 * Every)
		synctest.Wait()
		l.away.Store(true)
		leads.Store(false)
		time.Sleep(3 * Every)
		synctest.Wait()
		if len(l.asked) != 10 {
			t.Errorf("asked for %v while it leads itself", l.asked)
		}
		l.away.Store(false)
		head.Store(30)
		time.Sleep(3 * Every)
		synctest.Wait()
		if last := l.asked[len(l.asked)-1]; len(l.asked) != 11 || last < 11 || last > 30 {
			t.Errorf("then asked for %v", l.asked)
		}
		cancel()
	})
}

func TestEvidenceIsKeptOnceForEachNumberAndBounded(t *testing.T) {
	dir, key := filepath.Join(t.TempDir(), "evidence"), keyOf(1)
	chunks := signed(t, key, 3, func(b *blueprint.Blueprint) { b.Timestamp++ })
	f, err := Check(publicOf(key), chunks, ours)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		path, err := Keep(dir, publicOf(key), f, chunks)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		var got Evidence
		if err == nil {
			err = json.Unmarshal(text, &got)
		}
		if err != nil || got.Number != 3 || !got.Signed || len(got.Chunks) != len(chunks) {
			t.Fatalf("kept %+v, %v", got, err)
		}
		raws := make([][]byte, len(got.Chunks))
		for i := range raws {
			raws[i] = got.Chunks[i]
		}
		if again, err := Check(ed25519.PublicKey(got.Key), raws, ours); err != nil || again.Follows() || !again.Signed {
			t.Errorf("what was kept shows %+v, %v", again, err)
		}
	}
	for f.Number = 4; f.Number < 4+maxFiles; f.Number++ {
		_, err = Keep(dir, nil, f, chunks)
	}
	if files, _ := os.ReadDir(dir); err == nil || len(files) != maxFiles {
		t.Errorf("%d files, %v", len(files), err)
	}
}
