package rules_test

import (
	"crypto/ecdsa"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func content(number uint64, txs ...[]byte) *preblockv1.Content {
	return &preblockv1.Content{Number: number, Transactions: txs}
}

func atFee(baseFee uint64, txs ...[]byte) *preblockv1.Content {
	c := content(1, txs...)
	c.BaseFee = baseFee
	return c
}

func TestGasIsBoundedByThatOfOneTransaction(t *testing.T) {
	limits := committee.Limits{Lifetime: 10, SealedGas: 30_000_000}
	if err := rules.Admissible(seal.Header{Gas: 1 << 24, Expiry: 1}, 1, 0, limits); err != nil {
		t.Error(err)
	}
	if err := rules.Admissible(seal.Header{Gas: 1<<24 + 1, Expiry: 1}, 1, 0, limits); !errors.Is(err, rules.ErrGas) {
		t.Error(err)
	}
}

func TestTimestampsNeitherDecreaseNorRunAhead(t *testing.T) {
	now := time.Unix(1_000, 0)
	for _, x := range []struct {
		previous, timestamp int64
		order, clock        error
	}{
		{0, 1_000, nil, nil}, {1_000, 1_000, nil, nil}, {1_000, 999, rules.ErrTimestamp, nil}, {0, 1_015, nil, nil}, {0, 1_016, nil, rules.ErrClock},
	} {
		if err := rules.CheckTimestamp(x.previous, x.timestamp); !errors.Is(err, x.order) || err != nil && !errors.Is(err, rules.ErrContent) {
			t.Errorf("%+v: %v", x, err)
		}
		if err := rules.CheckClock(x.timestamp, now); !errors.Is(err, x.clock) {
			t.Errorf("%+v: %v", x, err)
		}
	}
}

func TestAContentIsRefusedWithItsReason(t *testing.T) {
	limits := committee.Limits{Lifetime: 10, SealedGas: 300_000}
	c := committeetest.NewWith(t, 4, 3, 1, limits)
	a, b := newKey(t), newKey(t)
	with := func(change func(h *seal.Header)) []byte { return c.SealedBy(b, 0, []byte("x"), change) }
	good := c.SealedBy(a, 0, []byte("one"))
	twice, again := c.SealedBy(a, 1, []byte("two")), c.SealedBy(a, 1, []byte("other"))
	copied := append([]byte(nil), good...)
	copied[len(copied)-100]++ // a byte of the payload
	other := committeetest.NewWith(t, 4, 3, 1, limits)
	plain := []byte{2, 1}
	for name, x := range map[string]struct {
		content *preblockv1.Content
		want    error
	}{
		"nothing sealed":         {content(1, plain), nil},
		"sealed, then plain":     {content(1, good, twice, plain), nil},
		"sealed after plain":     {content(1, plain, good), rules.ErrPlace},
		"a copy with one change": {content(1, copied), seal.ErrProof},
		"no sealed transaction":  {content(1, []byte{seal.Type, 1}), seal.ErrEncoding},
		"another key":            {content(1, other.SealedBy(a, 0, []byte("x"))), seal.ErrKey},
		"a seq too high":         {content(1, twice), rules.ErrSeq},
		"the same one twice":     {content(1, good, good), rules.ErrSeq},
		"one seq, two contents":  {content(1, good, twice, again), rules.ErrSeq},
		"in the wrong order":     {content(1, twice, good), rules.ErrSeq},
		"expired":                {content(1, with(func(h *seal.Header) { h.Expiry = 0 })), rules.ErrExpiry},
		"at its last number":     {content(1, with(func(h *seal.Header) { h.Expiry = 1 })), nil},
		"at its first number":    {content(1, with(func(h *seal.Header) { h.Expiry = 11 })), nil},
		"too long":               {content(1, with(func(h *seal.Header) { h.Expiry = 12 })), rules.ErrExpiry},
		"little gas":             {content(1, with(func(h *seal.Header) { h.Gas = 20_999 })), rules.ErrGas},
		"much gas":               {content(1, with(func(h *seal.Header) { h.Gas = 300_001 })), rules.ErrGas},
		"all gas":                {content(1, with(func(h *seal.Header) { h.Gas = 300_000 })), nil},
		"over all gas":           {content(1, good, with(func(h *seal.Header) { h.Gas = 200_001 })), rules.ErrGas},
		"another number":         {content(2), rules.ErrWindow},
		"below the base fee":     {atFee(7, with(func(h *seal.Header) { h.Fee = 6 })), rules.ErrFee},
		"at the base fee":        {atFee(7, with(func(h *seal.Header) { h.Fee = 7 })), nil},
	} {
		w := rules.NewWindow(1, limits.Lifetime)
		txs, err := rules.NewChecker(c.Committee).Check(x.content, w)
		if !errors.Is(err, x.want) || (x.want == nil) != (err == nil) {
			t.Errorf("%s: got %v", name, err)
		}
		if x.want != nil && !errors.Is(x.want, rules.ErrWindow) && !errors.Is(err, rules.ErrContent) {
			t.Errorf("%s: %v is no refusal of a content", name, err)
		}
		if err == nil && name == "sealed, then plain" && (len(txs) != 2 || txs[1].Index != 1 || txs[1].Sealed().Seq != 1) {
			t.Errorf("%s: got %v", name, txs)
		}
		if w.Last() != 0 {
			t.Errorf("%s: the window was changed", name)
		}
	}
}

func TestWhatWasOrderedIsNotOrderedAgain(t *testing.T) {
	c := committeetest.NewWith(t, 4, 3, 1, committee.Limits{Lifetime: 10})
	one, checker, w := c.Sealed([]byte("one")), rules.NewChecker(c.Committee), rules.NewWindow(1, 10)
	if _, err := checker.Check(content(1, one), w); err != nil {
		t.Fatal(err)
	}
	if err := w.Add(content(1, one)); err != nil {
		t.Fatal(err)
	}
	if _, err := checker.Check(content(2, one), w); !errors.Is(err, rules.ErrSeq) {
		t.Errorf("got %v", err)
	}
	// Its seq is forgotten when it has expired for certain.
	for n := uint64(2); n <= 11; n++ {
		if _, err := checker.Check(content(n, one), w); err == nil {
			t.Errorf("ordered again at %d", n)
		}
		if err := w.Add(content(n)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := checker.Check(content(12, one), w); !errors.Is(err, rules.ErrExpiry) {
		t.Errorf("got %v", err)
	}
}

func TestCheckedOnceIsEnough(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	checker := rules.NewChecker(c.Committee)
	raws := [][]byte{c.Sealed([]byte("one")), {1}, c.Sealed([]byte("two"))}
	first, errs := checker.CheckAll(raws)
	if errs[0] != nil || !errors.Is(errs[1], seal.ErrType) || errs[2] != nil {
		t.Fatal(errs)
	}
	again, _ := checker.CheckAll(raws)
	if again[0] != first[0] || again[2] != first[2] {
		t.Error("checked again")
	}
}

// naive is a window that remembers everything.
type naive struct {
	lifetime uint64
	contents [][]seal.Header // from number 1 on
}

func (n *naive) next(a common.Address, number uint64) uint64 {
	for i := number - 1; i >= 1 && i+n.lifetime >= number; i-- {
		list := n.contents[i-1]
		for j := len(list) - 1; j >= 0; j-- {
			if list[j].Submitter == a {
				return list[j].Seq + 1
			}
		}
	}
	return 0
}

func TestTheWindowIsAFunctionOfTheContents(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		lifetime := uint64(1 + r.IntN(6))
		model, w := &naive{lifetime: lifetime}, rules.NewWindow(1, lifetime)
		source := func(n uint64) ([]seal.Header, error) { return model.contents[n-1], nil }
		for range 120 {
			switch last := uint64(len(model.contents)); {
			case r.IntN(12) == 0 && last > 0: // another content was final for the last numbers
				to := last - uint64(r.IntN(int(min(last, 4))))
				model.contents = model.contents[:to]
				if !w.Rewind(to) {
					w = rebuilt(t, to, lifetime, source)
				}
			case r.IntN(12) == 0: // a restart
				w = rebuilt(t, last, lifetime, source)
			default:
				number := last + 1
				plan := w.Plan(number)
				var headers []seal.Header
				for range r.IntN(4) {
					a := common.Address{byte(r.IntN(4))}
					headers = append(headers, seal.Header{Submitter: a, Seq: plan.Take(a)})
				}
				if err := w.AddHeaders(number, headers); err != nil {
					t.Fatal(err)
				}
				model.contents = append(model.contents, headers)
			}
			next := uint64(len(model.contents)) + 1
			for i := range byte(4) {
				a := common.Address{i}
				if got, want := w.Next(a, next), model.next(a, next); got != want {
					t.Fatalf("seed %d, number %d: next of %d is %d, want %d", seed, next, i, got, want)
				}
			}
		}
	}
}

func rebuilt(t *testing.T, last, lifetime uint64, source func(uint64) ([]seal.Header, error)) *rules.Window {
	t.Helper()
	w, err := rules.Rebuild(1, last, lifetime, source)
	if err != nil {
		t.Fatal(err)
	}
	return w
}
