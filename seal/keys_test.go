package seal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"
)

func TestKeysOfEverySizeAreDealt(t *testing.T) {
	for _, n := range []int{1, 4, 5, 7, 10, 31, 255} {
		for _, threshold := range []int{n - Quorum(n) + 1, Quorum(n)} {
			if _, _, err := Deal(rand.Reader, testChain, n, threshold); err != nil {
				t.Errorf("%d of %d: %v", threshold, n, err)
			}
		}
		for _, threshold := range []int{0, n - Quorum(n), Quorum(n) + 1} {
			if _, _, err := Deal(rand.Reader, testChain, n, threshold); !errors.Is(err, ErrKeys) {
				t.Errorf("%d of %d: %v", threshold, n, err)
			}
		}
	}
	if _, _, err := Deal(rand.Reader, testChain, 256, 150); !errors.Is(err, ErrKeys) {
		t.Errorf("256 keyholders: %v", err)
	}
	if _, _, err := Deal(bytes.NewReader(make([]byte, 100)), testChain, 4, 3); err == nil {
		t.Error("too little randomness deals keys")
	}
}

func TestQuorum(t *testing.T) {
	for n, want := range map[int]int{1: 1, 2: 2, 4: 3, 5: 4, 7: 5, 10: 8, 11: 8, 255: 191} {
		if got := Quorum(n); got != want {
			t.Errorf("the quorum of %d is %d, want %d", n, got, want)
		}
	}
}

func TestKeysThatContradictEachOtherAreRefused(t *testing.T) {
	w, other := newWorld(t, 7, 4), newWorld(t, 7, 4)
	key, good, foreign := w.keys.point, w.keys.points, other.keys.points
	with := func(i int, p Point) []Point {
		out := append([]Point(nil), good...)
		out[i] = p
		return out
	}
	swapped := with(0, good[1])
	swapped[1] = good[0]
	for name, c := range map[string]struct {
		threshold int
		key       Point
		shares    []Point
	}{
		"another key":       {4, other.keys.point, good},
		"a share's key":     {4, good[0], good},
		"first share":       {4, key, with(0, foreign[0])},
		"last share":        {4, key, with(6, foreign[6])},
		"one twice":         {4, key, with(3, good[2])},
		"the identity":      {4, key, with(3, Point{})},
		"identity as key":   {4, Point{}, good},
		"two exchanged":     {4, key, swapped},
		"one left out":      {4, key, append(append([]Point(nil), good[:2]...), good[3:]...)},
		"a higher degree":   {3, key, good},
		"a lower degree":    {5, key, good}, // four shares open
		"none":              {1, key, nil},
		"low threshold":     {2, key, good},
		"high threshold":    {6, key, good},
		"over 255":          {150, key, make([]Point, 256)},
		"another committee": {4, key, foreign},
	} {
		if _, err := NewKeys(testChain, c.threshold, c.key, c.shares); !errors.Is(err, ErrKeys) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewKeys(testChain, 4, key, good); err != nil {
		t.Error(err)
	}
}

func TestRingsOfKeysThatCannotBeToldApartAreRefused(t *testing.T) {
	a, b := newWorld(t, 1, 1).keys.Key, newWorld(t, 1, 1).keys.Key
	if _, err := NewRing(testChain, a, b, a); err != nil {
		t.Error(err)
	}
	if _, err := NewRing(testChain+1, a); !errors.Is(err, ErrKeys) {
		t.Errorf("a key of another chain: %v", err)
	}
	twin := *b
	twin.id = a.id // finding one takes 2^64 keys
	if _, err := NewRing(testChain, a, &twin); !errors.Is(err, ErrKeys) {
		t.Errorf("two keys of one id: %v", err)
	}
}

// A committee is weak when one of its keyholders can stop the chain, split the order, or read everything.
func TestSmallCommitteesAreWeak(t *testing.T) {
	for n := 1; n <= 20; n++ {
		quorum := Quorum(n)
		stops, splits := n-1 < quorum, 2*quorum-n <= 1
		if weak := Weakness(n) != ""; weak != (stops || splits) {
			t.Errorf("%d keyholders: said to be weak: %v, one stops the chain: %v, one splits the order: %v", n, weak, stops, splits)
		}
	}
}
