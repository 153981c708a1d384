package chain

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/lru"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
)

const (
	// cachedTransactions is how many transactions a cache of geth may hold: about 10 MiB of blocks.
	cachedTransactions = 16_384
	// encodedTransaction is what a small one takes encoded.
	encodedTransaction = 100
	cacheLook          = time.Second
)

// caches bounds geth's caches of blocks by what is in the blocks. Geth counts the blocks: 256 of them, which is nothing
// while they are nearly empty, and 700 MiB when they are full ones, decoded. The caches cannot be configured and are not
// exported, but they lock themselves and their entries can be removed, so they are found by their names, once, and
// trimmed when they hold too much. Geth reads again what it needs. (BlockChain.SetHead empties them too, but rewrites the
// head's markers.)
type caches struct {
	blocks   *lru.Cache[common.Hash, *types.Block]
	bodies   *lru.Cache[common.Hash, *types.Body]
	encoded  *lru.Cache[common.Hash, rlp.RawValue]
	receipts *lru.Cache[common.Hash, []*types.Receipt]

	quit chan struct{}
	once sync.Once
	done sync.WaitGroup
}

func newCaches(bc *core.BlockChain) (*caches, error) {
	c := &caches{quit: make(chan struct{})}
	for name, target := range map[string]any{
		"blockCache": &c.blocks, "bodyCache": &c.bodies, "bodyRLPCache": &c.encoded, "receiptsCache": &c.receipts,
	} {
		field, to := reflect.ValueOf(bc).Elem().FieldByName(name), reflect.ValueOf(target).Elem()
		if !field.IsValid() || field.Type() != to.Type() {
			return nil, fmt.Errorf("bound geth's caches: this geth has no %s of type %s", name, to.Type())
		}
		to.Set(reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem()) // the field itself is only read
	}
	c.done.Go(c.run)
	return c, nil
}

func (c *caches) stop() {
	c.once.Do(func() { close(c.quit) })
	c.done.Wait()
}

func (c *caches) run() {
	look := time.NewTicker(cacheLook)
	defer look.Stop()
	for {
		select {
		case <-c.quit:
			return
		case <-look.C:
			c.trim()
		}
	}
}

// trim takes out of each what was used least recently. The last blocks stay: geth's pools are about to read them, with
// the senders that rememberSenders put in.
func (c *caches) trim() {
	trim(c.blocks, func(b *types.Block) int { return len(b.Transactions()) })
	trim(c.bodies, func(b *types.Body) int { return len(b.Transactions) })
	trim(c.encoded, func(raw rlp.RawValue) int { return len(raw) / encodedTransaction })
	trim(c.receipts, func(r []*types.Receipt) int { return len(r) })
}

func trim[V any](cache *lru.Cache[common.Hash, V], transactions func(V) int) {
	keys := cache.Keys() // the one used least recently first
	held := 0
	for _, hash := range slices.Backward(keys) {
		if value, ok := cache.Peek(hash); ok {
			held += transactions(value)
		}
		if held > cachedTransactions {
			cache.Remove(hash)
		}
	}
}
