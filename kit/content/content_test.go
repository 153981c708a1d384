package content

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/rlp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func sample() *preblockv1.Content {
	return &preblockv1.Content{
		Number:                   7,
		PreviousBlockHash:        bytes.Repeat([]byte{0xff}, 32),
		Timestamp:                timestamppb.New(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)),
		DelayedTransactionHashes: [][]byte{bytes.Repeat([]byte{4}, 32)},
		Transactions:             [][]byte{{1}, bytes.Repeat([]byte{2}, 300)},
	}
}

// reference encodes by reflection what the package streams.
func reference(t *testing.T, c *preblockv1.Content) []byte {
	t.Helper()
	ts := make([]byte, 8)
	binary.LittleEndian.PutUint64(ts, uint64(c.Timestamp.Seconds))
	b, err := rlp.EncodeToBytes([]any{c.PreviousBlockHash, c.DelayedTransactionHashes, c.Transactions, ts})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHashIsThatOfNumberAndBlueprint(t *testing.T) {
	c := sample()
	c.BaseFee = 9
	head := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, 7), 9)
	want := Keccak(append(head, reference(t, c)...))
	if got := HashOf(c); got != want {
		t.Fatalf("got %x, want %x", got, want)
	}
}

func TestEveryFieldIsPartOfTheHash(t *testing.T) {
	base := HashOf(sample())
	for name, change := range map[string]func(*preblockv1.Content){
		"number":      func(c *preblockv1.Content) { c.Number++ },
		"base fee":    func(c *preblockv1.Content) { c.BaseFee++ },
		"parent":      func(c *preblockv1.Content) { c.PreviousBlockHash[0] ^= 1 },
		"timestamp":   func(c *preblockv1.Content) { c.Timestamp.Seconds++ },
		"delayed":     func(c *preblockv1.Content) { c.DelayedTransactionHashes = nil },
		"transaction": func(c *preblockv1.Content) { c.Transactions[1][7] ^= 1 },
		"order": func(c *preblockv1.Content) {
			c.Transactions[0], c.Transactions[1] = c.Transactions[1], c.Transactions[0]
		},
	} {
		c := sample()
		change(c)
		if HashOf(c) == base {
			t.Errorf("%s is not part of the hash", name)
		}
	}
}

func TestSizeIsThatOfTheBlueprint(t *testing.T) {
	c := sample()
	if got, want := Size(c), len(reference(t, c))+DelayedTransactionBytes; got != want {
		t.Fatalf("got %d, want %d", got, want)
	}
	empty := &preblockv1.Content{PreviousBlockHash: make([]byte, 32), Timestamp: &timestamppb.Timestamp{}}
	if got, want := Size(empty), len(reference(t, empty)); got != want {
		t.Fatalf("empty: got %d, want %d", got, want)
	}
}

func TestCheckRefusesWhatNoBlueprintCanBe(t *testing.T) {
	if err := Check(sample()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*preblockv1.Content)
		want   error
	}{
		"number 0":       {func(c *preblockv1.Content) { c.Number = 0 }, ErrMalformed},
		"short parent":   {func(c *preblockv1.Content) { c.PreviousBlockHash = c.PreviousBlockHash[1:] }, ErrMalformed},
		"no timestamp":   {func(c *preblockv1.Content) { c.Timestamp = nil }, ErrMalformed},
		"fraction":       {func(c *preblockv1.Content) { c.Timestamp.Nanos = 1 }, ErrMalformed},
		"before 1970":    {func(c *preblockv1.Content) { c.Timestamp.Seconds = -1 }, ErrMalformed},
		"year 10000":     {func(c *preblockv1.Content) { c.Timestamp.Seconds = LastSecond + 1 }, ErrMalformed},
		"long delayed":   {func(c *preblockv1.Content) { c.DelayedTransactionHashes[0] = make([]byte, 33) }, ErrMalformed},
		"empty tx":       {func(c *preblockv1.Content) { c.Transactions[0] = nil }, ErrMalformed},
		"oversized":      {func(c *preblockv1.Content) { c.Transactions[0] = make([]byte, MaxBlueprintBytes) }, ErrTooLarge},
		"many delayed":   {func(c *preblockv1.Content) { c.DelayedTransactionHashes = hashes(124) }, ErrTooLarge},
		"nothing at all": {func(c *preblockv1.Content) { proto.Reset(c) }, ErrMalformed},
	} {
		content := sample()
		c.change(content)
		if err := Check(content); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func hashes(n int) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = make([]byte, 32)
	}
	return list
}
