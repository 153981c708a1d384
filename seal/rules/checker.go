package rules

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common/lru"
)

// What a Checker remembers: the transactions of about two full contents of small ones, and payloads of so many bytes together. What
// nobody has asked for in a while is forgotten at the next check: a transaction is checked when it arrives and when its content is
// ordered, locked and opened, moments later, and a chain with little traffic would keep those of hours. What is asked for and was
// forgotten is checked again.
const (
	remembered      = 2048
	rememberedBytes = 32 << 20
	rememberedFor   = 30 * time.Second
)

// Checker checks sealed transactions, and remembers those that it checked lately by the hash of their bytes. Any number of
// goroutines may use it.
type Checker struct {
	committee *committee.Committee

	mu    sync.Mutex
	known lru.BasicLRU[[sha256.Size]byte, *memory]
	bytes int // of the payloads in known

	shared sharing
}

// memory is a transaction that passed the check.
type memory struct {
	*seal.Checked
	asked time.Time // last
}

// NewChecker returns a Checker for a committee's key.
func NewChecker(c *committee.Committee) *Checker {
	k := &Checker{committee: c, known: lru.NewBasicLRU[[sha256.Size]byte, *memory](remembered)}
	k.shared.check = func(raws [][]byte) []error {
		_, errs := k.CheckAll(raws)
		return errs
	}
	return k
}

// CheckAll checks many at once. For each there is its result or its error, one of package seal.
func (k *Checker) CheckAll(raws [][]byte) ([]*seal.Checked, []error) {
	out, errs := make([]*seal.Checked, len(raws)), make([]error, len(raws))
	hashes := make([][sha256.Size]byte, len(raws)) // a processor has instructions for this hash
	for i, raw := range raws {
		hashes[i] = sha256.Sum256(raw)
	}
	k.recall(hashes, out)
	var parsed []*seal.Sealed
	var places []int
	for i, raw := range raws {
		if out[i] != nil {
			continue
		}
		s, err := seal.Parse(raw)
		if err != nil {
			errs[i] = err
			continue
		}
		parsed, places = append(parsed, s), append(places, i)
	}
	if len(parsed) == 0 {
		return out, errs
	}
	checked, failed := k.committee.Ring().CheckBatch(parsed)
	for j, i := range places {
		out[i], errs[i] = checked[j], failed[j]
	}
	k.remember(hashes, out)
	return out, errs
}

func (k *Checker) recall(hashes [][sha256.Size]byte, out []*seal.Checked) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	for i, h := range hashes {
		if m, ok := k.known.Get(h); ok {
			m.asked, out[i] = now, m.Checked
		}
	}
	k.forget(now)
}

func (k *Checker) remember(hashes [][sha256.Size]byte, all []*seal.Checked) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	for i, h := range hashes {
		if all[i] == nil || k.known.Contains(h) { // found there, it was made the newest
			continue
		}
		k.bytes += all[i].PayloadBytes()
		if _, oldest, evicted := k.known.Add3(h, &memory{all[i], now}); evicted {
			k.bytes -= oldest.PayloadBytes()
		}
		k.forget(now)
	}
}

// forget removes what nobody has asked for in rememberedFor, and what is too much. The caller holds k.mu.
func (k *Checker) forget(now time.Time) {
	for {
		_, oldest, ok := k.known.GetOldest()
		if !ok || k.bytes <= rememberedBytes && now.Sub(oldest.asked) < rememberedFor {
			return
		}
		k.known.RemoveOldest()
		k.bytes -= oldest.PayloadBytes()
	}
}

// Sealed returns the sealed transactions of a content that is final. It needs no window: the contents' certificates show that
// the rules were kept.
func (k *Checker) Sealed(p *preblockv1.Content) ([]Transaction, error) {
	txs, err := k.sealed(p)
	if err != nil {
		return nil, fmt.Errorf("read content %d: %w", p.GetNumber(), err)
	}
	return txs, nil
}

func (k *Checker) sealed(p *preblockv1.Content) ([]Transaction, error) {
	raws, err := First(p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrContent, err)
	}
	checked, errs := k.CheckAll(raws)
	out := make([]Transaction, len(raws))
	for i := range raws {
		if errs[i] != nil {
			return nil, fmt.Errorf("%w: sealed transaction %d: %w", ErrContent, i, errs[i])
		}
		out[i] = Transaction{uint32(i), checked[i]}
	}
	return out, nil
}

// First returns the sealed transactions of a content as they are, which must stand before all plain ones.
func First(p *preblockv1.Content) ([][]byte, error) {
	txs := p.GetTransactions()
	n := 0
	for n < len(txs) && seal.IsSealed(txs[n]) {
		n++
	}
	for i := n; i < len(txs); i++ {
		if seal.IsSealed(txs[i]) {
			return nil, fmt.Errorf("%w: transaction %d", ErrPlace, i)
		}
	}
	return txs[:n], nil
}

// Headers reads the headers of a content's sealed transactions. It checks their encoding only.
func Headers(p *preblockv1.Content) ([]seal.Header, error) {
	raws, err := First(p)
	if err != nil {
		return nil, fmt.Errorf("read content %d: %w: %w", p.GetNumber(), ErrContent, err)
	}
	out := make([]seal.Header, len(raws))
	for i, raw := range raws {
		if out[i], err = seal.ParseHeader(raw); err != nil {
			return nil, fmt.Errorf("read content %d: %w: sealed transaction %d: %w", p.GetNumber(), ErrContent, i, err)
		}
	}
	return out, nil
}
