package ordered

import (
	"context"
	"errors"
	"testing"
	"time"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// chain is contents from number 5 on, each with the next sealed transaction of one submitter.
type chain struct {
	*committeetest.Committee
	contents []*preblockv1.Content
	next     *preblockv1.Content // what follows the last one
}

func newChain(t *testing.T, length int) *chain {
	t.Helper()
	c := &chain{Committee: committeetest.NewWith(t, 4, 3, 5, committee.Limits{Lifetime: 3})}
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(length) + 1 {
		number := 5 + seq
		c.contents = append(c.contents, &preblockv1.Content{
			Number: number, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(int64(number), 0)),
			Transactions: [][]byte{c.SealedBy(key, seq, []byte("a"), func(h *seal.Header) { h.Expiry = number })},
		})
	}
	c.next, c.contents = c.contents[length], c.contents[:length]
	return c
}

func (c *chain) source(number uint64) (*preblockv1.Content, error) { return c.contents[number-5], nil }

func TestARestoredOrderJudgesAsTheOneThatGrew(t *testing.T) {
	for _, length := range []int{0, 1, 3, 4, 9} {
		c := newChain(t, length)
		grown, restored := New(c.Committee.Committee), New(c.Committee.Committee)
		for _, one := range c.contents {
			if err := grown.Check(one); err != nil {
				t.Fatal(err)
			}
			if err := grown.Add(one); err != nil {
				t.Fatal(err)
			}
		}
		last := 4 + uint64(length)
		if err := restored.Restore(t.Context(), last, c.source); err != nil {
			t.Fatal(err)
		}
		for name, o := range map[string]*Order{"grown": grown, "restored": restored} {
			if err := o.Check(c.next); err != nil || o.Last() != last {
				t.Errorf("%s, %d contents: %v, last %d", name, length, err, o.Last())
			}
			early := &preblockv1.Content{
				Number: last + 1, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(int64(last)-1, 0)),
			}
			if err := o.Check(early); (length > 0) != errors.Is(err, rules.ErrTimestamp) || length > 0 && !errors.Is(err, rules.ErrContent) {
				t.Errorf("%s, %d contents, earlier than the last: %v", name, length, err)
			}
			if length == 0 {
				continue
			}
			if err := o.Rewind(t.Context(), last-1, c.source); err != nil {
				t.Fatal(err)
			}
			if err := o.Check(c.contents[length-1]); err != nil || o.Last() != last-1 {
				t.Errorf("%s, %d contents, after a step back: %v, last %d", name, length, err, o.Last())
			}
			early.Number, early.Timestamp = last, timestamppb.New(time.Unix(int64(last)-2, 0))
			if err := o.Check(early); (length > 1) != errors.Is(err, rules.ErrTimestamp) {
				t.Errorf("%s, %d contents, after a step back, earlier than the last: %v", name, length, err)
			}
			if err := o.Check(c.next); !errors.Is(err, rules.ErrWindow) {
				t.Errorf("%s, %d contents, a number ahead: %v", name, length, err)
			}
		}
	}
}

func TestRestoringEndsWithItsContextAndChangesNothing(t *testing.T) {
	c := newChain(t, 3)
	o := New(c.Committee.Committee)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.Restore(ctx, 7, c.source); !errors.Is(err, context.Canceled) || o.Last() != 4 {
		t.Fatalf("%v, last %d", err, o.Last())
	}
}

func TestSealedTransactionsAreRefusedWithoutKeyholders(t *testing.T) {
	c := newChain(t, 0)
	if err := (Keyless{}).Check(c.next); !errors.Is(err, rules.ErrContent) || !errors.Is(err, seal.ErrKey) {
		t.Fatal(err)
	}
	c.next.Transactions = [][]byte{{2}, {}}
	if err := (Keyless{}).Check(c.next); err != nil {
		t.Fatal(err)
	}
}
