package blueprint

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blindseq/kit/content"
	"blindseq/kit/secretfile"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/rlp"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Values computed by the origin's code.
const (
	genesisVector = "eca0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc0c08800e10b5e00000000"
	chunkVector   = "f855ad" + genesisVector + "a00000000000000000000000000000000000000000000000000000000000000000820100820000"
)

func testKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)) }

func genesis() Blueprint {
	b := Blueprint{Timestamp: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Unix()}
	copy(b.ParentHash[:], bytes.Repeat([]byte{0xff}, 32))
	return b
}

// filled is a blueprint with one transaction that makes it encode to exactly size bytes (size over 60,000).
func filled(t testing.TB, size int) Blueprint {
	b := genesis()
	b.Transactions = [][]byte{bytes.Repeat([]byte{3}, size-43-4*3)}
	raw, err := rlp.EncodeToBytes([]any{b.ParentHash, b.Delayed, b.Transactions, make([]byte, 8)})
	if err != nil || len(raw) != size {
		t.Fatalf("filled gives %d bytes, want %d (%v)", len(raw), size, err)
	}
	return b
}

func TestEncodingIsThatOfTheOrigin(t *testing.T) {
	raw, err := genesis().Encode()
	if err != nil || hex.EncodeToString(raw) != genesisVector {
		t.Fatalf("blueprint: got %x, %v", raw, err)
	}
	u := Chunk{Value: raw, Number: 0, Count: 1, Index: 0}.unsigned()
	chunk, err := rlp.EncodeToBytes(&u)
	if err != nil || hex.EncodeToString(chunk) != chunkVector {
		t.Fatalf("chunk: got %x, %v", chunk, err)
	}
	if MaxChunkBytes != 3957 || MaxBytes != 506496 || content.MaxBlueprintBytes != 506496 {
		t.Fatal("sizes differ from the origin's")
	}
}

func TestEncodingIsTheOneTheContentHashCovers(t *testing.T) {
	c := &preblockv1.Content{
		Number: 0x0102, BaseFee: 0x0304, PreviousBlockHash: bytes.Repeat([]byte{9}, 32), Timestamp: timestamppb.New(time.Unix(1700000000, 0)),
		DelayedTransactionHashes: [][]byte{bytes.Repeat([]byte{4}, 32)}, Transactions: [][]byte{{1}, make([]byte, 300)},
	}
	raw, err := Of(c).Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got := content.Keccak(append([]byte{0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 4}, raw...)); got != content.HashOf(c) {
		t.Fatal("content.HashOf hashes other bytes")
	}
}

func TestSignedChunksGiveTheBlueprintBack(t *testing.T) {
	key := testKey()
	for _, size := range []int{MaxBytes, MaxBytes - 1, 20 * MaxChunkBytes, 20*MaxChunkBytes + 1} {
		b := filled(t, size)
		chunks, err := Sign(key, 1<<40, b)
		if err != nil {
			t.Fatal(err)
		}
		if want := (size + MaxChunkBytes - 1) / MaxChunkBytes; len(chunks) != want {
			t.Fatalf("%d bytes in %d chunks, want %d", size, len(chunks), want)
		}
		number, back, err := Open(key.Public().(ed25519.PublicKey), chunks)
		if err != nil || number != 1<<40 || !bytes.Equal(back.Transactions[0], b.Transactions[0]) || back.Timestamp != b.Timestamp {
			t.Fatalf("size %d: number %d, %v", size, number, err)
		}
		again, _ := Sign(key, 1<<40, b)
		for i := range chunks {
			if !bytes.Equal(chunks[i], again[i]) {
				t.Fatal("signing twice gives other bytes")
			}
			if len(chunks[i])+1+20+1 > 4095 {
				t.Fatalf("chunk of %d bytes does not fit a layer-1 message", len(chunks[i]))
			}
		}
	}
	if _, err := Sign(key, 1, filled(t, MaxBytes+1)); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("one byte too many: got %v", err)
	}
}

func TestChangedChunksAreRefused(t *testing.T) {
	key := testKey()
	public := key.Public().(ed25519.PublicKey)
	chunks, err := Sign(key, 5, filled(t, 20*MaxChunkBytes))
	if err != nil {
		t.Fatal(err)
	}
	other, _ := Sign(key, 6, filled(t, 20*MaxChunkBytes))
	for name, change := range map[string]func([][]byte) [][]byte{
		"none":             func([][]byte) [][]byte { return nil },
		"one missing":      func(c [][]byte) [][]byte { return c[:len(c)-1] },
		"swapped":          func(c [][]byte) [][]byte { c[0], c[1] = c[1], c[0]; return c },
		"another number's": func(c [][]byte) [][]byte { c[3] = other[3]; return c },
		"flipped bit":      func(c [][]byte) [][]byte { c[2][100] ^= 1; return c },
		"trailing byte":    func(c [][]byte) [][]byte { c[2] = append(c[2], 0); return c },
		"too long":         func(c [][]byte) [][]byte { c[2] = make([]byte, 5000); return c },
	} {
		changed := make([][]byte, len(chunks))
		for i := range chunks {
			changed[i] = bytes.Clone(chunks[i])
		}
		if _, _, err := Open(public, change(changed)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	stranger := ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)
	if _, _, err := Open(stranger, chunks); !errors.Is(err, ErrSignature) {
		t.Errorf("another key: got %v", err)
	}
}

func TestLargestTransactionFitsTheBudgetAndALargerIsRefused(t *testing.T) {
	var b Budget
	largest := filled(t, MaxBytes).Transactions[0]
	if got, want := b.Room(), rlp.BytesSize(largest); got != want {
		t.Fatalf("room for %d bytes, the largest transaction takes %d", got, want)
	}
}

// For every number of delayed transactions: what fills the room passes the check, one byte more does not.
func TestBudgetCountsAsTheContentCheckDoes(t *testing.T) {
	var b Budget
	c := &preblockv1.Content{Number: 1, PreviousBlockHash: make([]byte, 32), Timestamp: &timestamppb.Timestamp{}}
	for {
		c.Transactions = fill(t, b.Room())
		if err := content.Check(c); err != nil {
			t.Fatalf("%d delayed: what fits is refused: %v", len(c.DelayedTransactionHashes), err)
		}
		if _, err := Of(c).Encode(); err != nil {
			t.Fatal(err)
		}
		c.Transactions = append(c.Transactions, []byte{1})
		if err := content.Check(c); !errors.Is(err, content.ErrTooLarge) {
			t.Fatalf("%d delayed: a byte was left: %v", len(c.DelayedTransactionHashes), err)
		}
		c.DelayedTransactionHashes = append(c.DelayedTransactionHashes, make([]byte, 32))
		if !b.AddDelayed() {
			break
		}
	}
	c.Transactions = nil
	if err := content.Check(c); !errors.Is(err, content.ErrTooLarge) {
		t.Fatalf("a delayed transaction was refused that fits: %v", err)
	}
}

// fill gives transactions whose RLP strings take room bytes together.
func fill(t *testing.T, room uint64) (txs [][]byte) {
	t.Helper()
	for room > 0 {
		size := min(room, 60000)
		if room-size > 0 && room-size < 10 {
			size -= 10
		}
		for raw := bytes.Repeat([]byte{1}, int(size)); ; raw = raw[1:] {
			if rlp.BytesSize(raw) <= size {
				room -= rlp.BytesSize(raw)
				txs = append(txs, raw)
				break
			}
		}
	}
	return txs
}

func TestKeyFileIsCreatedOnceAndOnlyForItsOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sequencer.key")
	if _, err := LoadKey(path); !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), "--create-sequencer-key") {
		t.Fatalf("no file: got %v", err)
	}
	key, err := CreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := LoadKey(path); err != nil || !back.Equal(key) {
		t.Fatalf("load: %v", err)
	}
	if _, err := CreateKey(path); err == nil {
		t.Fatal("an existing key was overwritten")
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path); !errors.Is(err, secretfile.ErrExposed) {
		t.Fatalf("group-readable: got %v", err)
	}
}

func TestDamagedKeyFileIsRefusedWithoutShowingIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sequencer.key")
	secret := strings.Repeat("ab", 31) + "zz"
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path); err == nil || strings.Contains(err.Error(), "z\"") || strings.Contains(err.Error(), "abab") {
		t.Fatalf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	raw, _ := hex.DecodeString(genesisVector)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := Decode(raw)
		if err != nil {
			return
		}
		if again, err := b.Encode(); err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("not canonical: %x decodes and encodes to %x, %v", raw, again, err)
		}
	})
}

func FuzzDecodeChunk(f *testing.F) {
	key := testKey()
	chunks, err := Sign(key, 1, genesis())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(chunks[0])
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := DecodeChunk(key.Public().(ed25519.PublicKey), raw)
		if err != nil {
			return
		}
		if again, err := signChunk(key, c); err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("accepted bytes that Sign does not give: %x", raw)
		}
	})
}
