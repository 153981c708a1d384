package chain

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethdb"
)

// ErrBarred: the transaction was opened, could not be executed at its place, and has ended. Everybody can read it since, so
// it is not executed later either. Its sender may sign another.
var ErrBarred = errors.New("transaction was sealed by its sender or a relay, opened and not executed; it has ended, sign a new one")

const (
	barPrefix      = "\xffblindseq-bar-"   // and the hash: its spans, 16 bytes each
	barOrderPrefix = "\xffblindseq-unbar-" // and the last number and the hash
	// barsKept is how many blocks longer than in force a bar is stored. A crash takes fewer blocks back.
	barsKept = 1024
	// barsForgotten bounds the work of one block.
	barsForgotten = 1000
)

// bars keep transactions out of the contents after the one in which they were opened and ended. Only what its own sender sealed
// is barred, or a relay of the chain: otherwise anybody could bar a public transaction by sealing it where it fails. A relay
// seals nothing that it has seen in public.
//
// They are a function of the blocks so far, like the waiting room. A bar in force is not renewed and holds only for blocks
// after its own, and one that has ended is kept beside a later one of the same transaction: so replaying blocks that a crash
// took back finds what it found the first time.
type bars struct {
	db  ethdb.Database
	any atomic.Bool // false while none is stored: then there is nothing to look up
}

func loadBars(db ethdb.Database) (*bars, error) {
	b := &bars{db: db}
	it := db.NewIterator([]byte(barPrefix), nil)
	defer it.Release()
	b.any.Store(it.Next())
	if err := it.Error(); err != nil {
		return nil, fmt.Errorf("read bars: %w", err)
	}
	return b, nil
}

// span is a bar of one transaction: after the block by, up to the content last.
type span struct{ by, last uint64 }

// holds says whether a transaction is barred from the content of a number.
func (b *bars) holds(hash common.Hash, number uint64) (bool, error) {
	spans, err := b.read(hash)
	return slices.ContainsFunc(spans, func(s span) bool { return s.by < number && number <= s.last }), err
}

// read gives the bars of a transaction.
func (b *bars) read(hash common.Hash) (spans []span, err error) {
	if !b.any.Load() {
		return nil, nil
	}
	key := barKey(hash)
	if known, err := b.db.Has(key); err != nil || !known {
		return nil, wrapBar(hash, err)
	}
	raw, err := b.db.Get(key)
	if err == nil && len(raw)%16 != 0 {
		err = fmt.Errorf("%d bytes, want a multiple of 16", len(raw))
	}
	if err != nil {
		return nil, wrapBar(hash, err)
	}
	for ; len(raw) > 0; raw = raw[16:] {
		spans = append(spans, span{binary.BigEndian.Uint64(raw), binary.BigEndian.Uint64(raw[8:])})
	}
	return spans, nil
}

func wrapBar(hash common.Hash, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read bar of %s: %w", hash, err)
}

// write puts the bars of a block into its batch, and takes out old ones.
func (b *bars) write(w ethdb.KeyValueWriter, number, last uint64, hashes []common.Hash) error {
	if err := b.forget(w, number); err != nil {
		return fmt.Errorf("forget old bars: %w", err)
	}
	for _, hash := range hashes {
		spans, err := b.read(hash)
		if one := (span{number, last}); !slices.Contains(spans, one) {
			spans = append(kept(spans, number), one)
		}
		if err := errors.Join(err, put(w, hash, spans), w.Put(barOrderKey(last, hash), nil)); err != nil {
			return fmt.Errorf("write bar of %s: %w", hash, err)
		}
		b.any.Store(true)
	}
	return nil
}

// kept are the bars that are still stored after the block of a number.
func kept(spans []span, number uint64) []span {
	return slices.DeleteFunc(spans, func(s span) bool { return s.last+barsKept < number })
}

// put stores all bars of a transaction.
func put(w ethdb.KeyValueWriter, hash common.Hash, spans []span) error {
	if len(spans) == 0 {
		return w.Delete(barKey(hash))
	}
	var raw []byte
	for _, s := range spans {
		raw = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(raw, s.by), s.last)
	}
	return w.Put(barKey(hash), raw)
}

func (b *bars) forget(w ethdb.KeyValueWriter, number uint64) error {
	if !b.any.Load() || number <= barsKept {
		return nil
	}
	it := b.db.NewIterator([]byte(barOrderPrefix), nil)
	defer it.Release()
	for n := 0; n < barsForgotten && it.Next(); n++ {
		key := it.Key()[len(barOrderPrefix):]
		if len(key) != 8+common.HashLength || binary.BigEndian.Uint64(key) >= number-barsKept {
			break
		}
		hash := common.Hash(key[8:])
		spans, err := b.read(hash)
		err = errors.Join(err, put(w, hash, kept(spans, number)), w.Delete(barOrderKey(binary.BigEndian.Uint64(key), hash)))
		if err != nil {
			return err
		}
	}
	return it.Error()
}

func barKey(hash common.Hash) []byte { return append([]byte(barPrefix), hash[:]...) }

func barOrderKey(last uint64, hash common.Hash) []byte {
	return append(binary.BigEndian.AppendUint64([]byte(barOrderPrefix), last), hash[:]...)
}

// begins says whether the end of a transaction bars it: it was opened, and its own sender or a relay had sealed it.
func begins(ended *candidate, signer types.Signer) bool {
	if ended.sealed == nil || ended.tx == nil || ended.barred || !ended.tx.Protected() {
		return false
	}
	sender, err := types.Sender(signer, ended.tx)
	return err == nil && (sender == ended.sealed.Submitter || ended.sealed.Relay)
}

// Barred says whether a transaction is barred from the next content.
func (c *Chain) Barred(hash common.Hash) (bool, error) {
	head, _, _ := c.Head()
	return c.bars.holds(hash, head+1)
}
