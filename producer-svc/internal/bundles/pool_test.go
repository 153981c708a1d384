package bundles_test

import (
	"errors"
	"sync"
	"testing"

	"blindseq/producer-svc/internal/bundles"
	"blindseq/producer-svc/internal/txstore"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// rig is a pool over a real store, and a chain that has what the test says.
type rig struct {
	*bundles.Pool
	t     *testing.T
	c     *committeetest.Committee
	store *txstore.Store
	chain map[common.Hash]uint64
	cfg   bundles.Config
}

func newRig(t *testing.T, change func(*bundles.Config)) *rig {
	t.Helper()
	r := &rig{t: t, c: committeetest.New(t, 4, 3, 1), chain: map[common.Hash]uint64{}}
	dir := t.TempDir()
	var err error
	if r.store, err = txstore.Open(dir, txstore.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.store.Close() })
	r.cfg = bundles.Config{Store: r.store, Ordered: func(name common.Hash) (uint64, bool, error) {
		n, ok := r.chain[name]
		return n, ok, nil
	}}
	if change != nil {
		change(&r.cfg)
	}
	r.restart()
	return r
}

func (r *rig) restart() {
	r.t.Helper()
	r.Pool = bundles.New(r.cfg)
	if err := r.Recover(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) submit(raws ...[]byte) []error {
	_, errs := r.Submit(r.t.Context(), raws)
	return errs
}

func (r *rig) must(raws ...[]byte) {
	r.t.Helper()
	for _, err := range r.submit(raws...) {
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

const plenty = 500_000

// offered is what a proposal would hold, as places in of.
func (r *rig) offered(of ...[]byte) (places []int) {
	raws, _ := r.Next(plenty, plenty)
	for _, raw := range raws {
		for i := range of {
			if string(of[i]) == string(raw) {
				places = append(places, i)
			}
		}
	}
	return places
}

func sameInts(a []int, b ...int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestBundlesStayInOrderOfArrivalUntilTheirBlockIsAppliedAndOverRestarts(t *testing.T) {
	r := newRig(t, nil)
	a, b, c := r.c.Bundle([]byte("a")), r.c.Bundle([]byte("b")), r.c.Bundle([]byte("c"))
	r.must(a, b)
	r.must(c)
	hash := crypto.Keccak256Hash(b)
	if state, ok := r.State(hash); !ok || state != bundles.Received {
		t.Errorf("state %v", state)
	}
	for range 2 {
		if got := r.offered(a, b, c); !sameInts(got, 0, 1, 2) {
			t.Fatalf("offered %v", got)
		}
	}
	if state, _ := r.State(hash); state != bundles.Queued {
		t.Errorf("state %v", state)
	}
	r.Decided([]common.Hash{hash})
	if state, _ := r.State(hash); state != bundles.Ordered {
		t.Errorf("state %v", state)
	}
	r.restart()
	if err := r.Applied([]common.Hash{hash, {1}}); err != nil {
		t.Fatal(err)
	}
	r.restart()
	if got := r.offered(a, b, c); !sameInts(got, 0, 2) || r.Count() != 2 {
		t.Fatalf("after its block %v", got)
	}
	r.chain[crypto.Keccak256Hash(a)] = 7 // applied, and the process ended before the pool was told
	r.restart()
	if got := r.offered(a, b, c); !sameInts(got, 2) {
		t.Fatalf("after a crash %v", got)
	}
}

func TestWhatCannotBeOpenedOrWasSeenIsRefusedAndChangesNothing(t *testing.T) {
	r := newRig(t, nil)
	good, ordered := r.c.Bundle([]byte("good")), r.c.Bundle([]byte("ordered"))
	decoded, err := te.DecodeBundle(good)
	if err != nil {
		t.Fatal(err)
	}
	wrapped := (&te.Bundle{Payload: decoded.Payload, Nonce: 9}).Encode()
	r.chain[crypto.Keccak256Hash(ordered)] = 3
	forged, err := te.DecodeBundle(r.c.Bundle([]byte("forged")))
	if err != nil {
		t.Fatal(err)
	}
	forged.Payload.Ciphertext.EncryptedKey[0]++
	r.must(good)
	other := r.c.Bundle([]byte("other"))
	errs := r.submit(good, wrapped, ordered, forged.Encode(), good[:len(good)-1], append(good[:len(good):len(good)], 0), make([]byte, te.MaxBundleBytes+1), other, other)
	for i, want := range []error{bundles.ErrKnown, bundles.ErrCiphertextKnown, bundles.ErrOrdered, te.ErrCiphertext, te.ErrMalformed, te.ErrMalformed, te.ErrTooLarge, nil, bundles.ErrBusy} {
		if !errors.Is(errs[i], want) {
			t.Errorf("%d: got %v, want %v", i, errs[i], want)
		}
	}
	if got := r.offered(good, other); r.Count() != 2 || !sameInts(got, 0, 1) {
		t.Errorf("the pool has %d: %v", r.Count(), got)
	}
	r.restart()
	if r.Count() != 2 {
		t.Errorf("%d were stored", r.Count())
	}
}

func TestOnlyAllowedBundlersMaySend(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(c *bundles.Config) {
		c.Allowed = map[common.Address]bool{crypto.PubkeyToAddress(key.PublicKey): true}
	})
	unsigned := r.c.Bundle([]byte("unsigned"))
	signed := func(text string, by int) []byte {
		b, err := te.DecodeBundle(r.c.Bundle([]byte(text)))
		if err == nil && by == 0 {
			err = b.Sign(key)
		} else if err == nil {
			err = b.Sign(stranger)
		}
		if err != nil {
			t.Fatal(err)
		}
		return b.Encode()
	}
	errs := r.submit(unsigned, signed("a", 1), signed("b", 0))
	if !errors.Is(errs[0], bundles.ErrSigner) || !errors.Is(errs[1], bundles.ErrSigner) || errs[2] != nil {
		t.Errorf("got %v", errs)
	}
}

func TestAFullPoolRefusesAndTakesAgainWhenThereIsRoom(t *testing.T) {
	r := newRig(t, func(c *bundles.Config) { c.Limits = bundles.Limits{Bundles: 2} })
	a, b, c := r.c.Bundle([]byte("a")), r.c.Bundle([]byte("b")), r.c.Bundle([]byte("c"))
	if errs := r.submit(a, b, c); errs[1] != nil || !errors.Is(errs[2], bundles.ErrFull) {
		t.Fatalf("got %v", errs)
	}
	if err := r.Applied([]common.Hash{crypto.Keccak256Hash(a)}); err != nil {
		t.Fatal(err)
	}
	r.must(c)
}

func TestOfManyAtOnceOneGetsIn(t *testing.T) {
	r := newRig(t, nil)
	raw := r.c.Bundle([]byte("once"))
	var wg sync.WaitGroup
	var mu sync.Mutex
	taken := 0
	for range 8 {
		wg.Go(func() {
			if r.submit(raw)[0] == nil {
				mu.Lock()
				taken++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if taken != 1 || r.Count() != 1 {
		t.Errorf("%d were taken, %d wait", taken, r.Count())
	}
}
