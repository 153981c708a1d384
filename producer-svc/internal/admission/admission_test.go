package admission_test

import (
	"errors"
	"strings"
	"testing"

	"blindseq/producer-svc/internal/admission"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

var submitter, relay = common.Address{1}, common.Address{2}

func newBook() *admission.Book {
	return admission.NewBook(admission.Config{Gas: 1600, Bytes: 160, Trusted: func(a common.Address) bool { return a == relay }})
}

func fates(of common.Address, n int, o admission.Outcome) (all []admission.Fate) {
	for range n {
		all = append(all, admission.Fate{Submitter: of, Outcome: o})
	}
	return all
}

func TestStandingFollowsFromWhatBecameOfASubmittersTransactions(t *testing.T) {
	type done struct {
		n int
		o admission.Outcome
	}
	for name, x := range map[string]struct {
		of    common.Address
		all   []done
		class admission.Class
		gas   uint64
	}{
		"nobody knows it":                        {submitter, nil, admission.New, 1600},
		"executed":                               {submitter, []done{{16, admission.Executed}}, admission.Front, 3200},
		"grown as far as it does":                {submitter, []done{{5000, admission.Executed}}, admission.Front, 25_600},
		"sealed for others, who paid":            {submitter, []done{{16, admission.Carried}}, admission.New, 1600},
		"by a relay":                             {relay, []done{{16, admission.Carried}}, admission.Front, admission.Unbounded},
		"a relay that nobody knows":              {relay, nil, admission.Front, admission.Unbounded},
		"fee and funds, which others can spoil":  {submitter, []done{{500, admission.Ended}}, admission.New, 1600},
		"as many of them as executed":            {submitter, []done{{5, admission.Executed}, {5, admission.Ended}}, admission.New, 2100},
		"one piece of garbage":                   {submitter, []done{{1, admission.Garbage}}, admission.Back, 400},
		"which eight executed ones outweigh":     {submitter, []done{{1, admission.Garbage}, {8, admission.Executed}}, admission.Front, 2400},
		"three":                                  {submitter, []done{{3, admission.Garbage}}, admission.Back, 400},
		"four":                                   {submitter, []done{{4, admission.Garbage}}, admission.Out, 0},
		"a relay's garbage":                      {relay, []done{{4, admission.Garbage}}, admission.Out, 0},
		"more garbage than any credit outweighs": {submitter, []done{{100_000, admission.Executed}, {68, admission.Garbage}}, admission.Out, 0},
	} {
		b := newBook()
		for i, one := range x.all {
			b.Add(uint64(i+1), 1000, fates(x.of, one.n, one.o))
		}
		if got := b.Standing(x.of); got.Class != x.class || got.Gas != x.gas {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestOldBlocksCountNoLonger(t *testing.T) {
	b := newBook()
	spoils := fates(submitter, 4, admission.Garbage)
	if !b.Add(7, 1000, spoils) || b.Add(7, 1000, spoils) || b.Add(6, 1000, spoils) {
		t.Error("a repeat was noted")
	}
	for _, x := range []struct {
		number uint64
		at     int64
		want   admission.Class
	}{
		{8, 1000 + admission.Memory, admission.Out}, {9, 1001 + admission.Memory, admission.New},
		{10, 2000, admission.Out}, {10 + admission.MemoryBlocks, 2000, admission.Out}, {11 + admission.MemoryBlocks, 2000, admission.New},
	} {
		if x.number == 10 {
			b.Add(x.number, x.at, spoils)
		}
		b.Add(x.number, x.at, nil)
		if got := b.Standing(submitter); got.Class != x.want {
			t.Errorf("at %d: %+v", x.number, got)
		}
	}
}

// A book is bounded even when every transaction has another submitter.
func TestABookIsBounded(t *testing.T) {
	b := newBook()
	for i := range uint64(240) {
		var all []admission.Fate
		for j := range 500 {
			all = append(all, admission.Fate{Submitter: common.Address{1, byte(i), byte(j >> 8), byte(j)}, Outcome: admission.Garbage})
		}
		b.Add(i+1, 1000, all)
	}
	if got := b.Len(); got != 100_000 {
		t.Errorf("%d submitters are remembered", got)
	}
	if got := b.Standing(common.Address{1}).Class; got != admission.New {
		t.Errorf("the first of them is %s", got)
	}
}

func TestWhoMaySubmit(t *testing.T) {
	funded, listed := common.Address{3}, common.Address{4}
	failed := errors.New("disk")
	entry := admission.Entry{
		Allowed: map[common.Address]bool{listed: true}, Relay: func(a common.Address) bool { return a == relay }, Least: uint256.NewInt(100),
		Balance: func(a common.Address) (*uint256.Int, error) {
			switch a {
			case funded:
				return uint256.NewInt(100), nil
			case submitter:
				return uint256.NewInt(99), nil
			}
			return nil, failed
		},
	}
	open, closed := entry, entry
	open.Least, closed.Closed = nil, true
	for name, x := range map[string]struct {
		entry *admission.Entry
		who   common.Address
		want  error
	}{
		"funded": {&entry, funded, nil}, "listed": {&entry, listed, nil}, "relay": {&entry, relay, nil},
		"poor": {&entry, submitter, admission.ErrSubmitter}, "broken": {&entry, common.Address{9}, failed},
		"poor where nothing is asked": {&open, submitter, nil},
		"funded, not on the list":     {&closed, funded, admission.ErrSubmitter}, "a relay that is not": {&closed, relay, admission.ErrSubmitter},
		"on the list": {&closed, listed, nil},
	} {
		if err := x.entry.Check(x.who); !errors.Is(err, x.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := entry.Check(submitter); !strings.Contains(err.Error(), "has 99 wei and needs 100 (--seal-min-balance)") {
		t.Error(err)
	}
}

func TestFewNewOnesAreTriedAtOnceAfterGarbageUntilOthersBehave(t *testing.T) {
	b := newBook()
	for i, x := range []struct {
		fates []admission.Fate
		want  int
	}{
		{nil, 16},
		{fates(submitter, 1, admission.Garbage), 8},
		{fates(submitter, 2, admission.Garbage), 4},
		{fates(common.Address{9}, 5, admission.Executed), 5}, // one new one
		{fates(common.Address{9}, 5, admission.Executed), 5},
		{fates(common.Address{8}, 1, admission.Ended), 5},
		{fates(submitter, 50, admission.Garbage), admission.MinFresh},
	} {
		b.Add(uint64(i+1), 1000, x.fates)
		if got := b.Fresh(); got != x.want {
			t.Errorf("after block %d: %d, want %d", i+1, got, x.want)
		}
	}
}
