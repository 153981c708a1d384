package steps

import (
	"bytes"
	"sync"

	"blindseq/producer-svc/internal/txstore"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/common"
)

// kept is how many final contents are at hand: more than are ever on their way at a time.
const kept = 8

// recent are the newest final contents. The zero value has none.
type recent struct {
	mu   sync.Mutex
	list []*content // the newest last
}

// content is a final content whose transactions can be found.
type content struct {
	final  *preblockv1.Final
	places func() map[common.Hash]int // made when somebody looks: mostly nobody does
}

// add returns what was added; nil for what is there already.
func (r *recent) add(f *preblockv1.Final) *content {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.list {
		if bytes.Equal(one.final.GetContentHash(), f.GetContentHash()) {
			return nil
		}
	}
	one := &content{final: f, places: sync.OnceValue(func() map[common.Hash]int { return placesOf(f.GetContent()) })}
	if len(r.list) == kept {
		copy(r.list, r.list[1:])
		r.list = r.list[:kept-1]
	}
	r.list = append(r.list, one)
	return one
}

// find finds the newest content that has a transaction, and its place there.
func (r *recent) find(hash common.Hash) (f *preblockv1.Final, position int) {
	r.mu.Lock()
	list := append([]*content(nil), r.list...)
	r.mu.Unlock()
	for i := len(list) - 1; i >= 0; i-- {
		if position, ok := list[i].places()[hash]; ok {
			return list[i].final, position
		}
	}
	return nil, 0
}

func placesOf(c *preblockv1.Content) map[common.Hash]int {
	places := make(map[common.Hash]int, len(c.GetTransactions()))
	for i, raw := range c.GetTransactions() {
		places[txstore.HashOf(raw)] = i
	}
	return places
}

func (c *content) hashes() []common.Hash {
	hashes := make([]common.Hash, 0, len(c.places()))
	for hash := range c.places() {
		hashes = append(hashes, hash)
	}
	return hashes
}
