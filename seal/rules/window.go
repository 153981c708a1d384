package rules

import (
	"fmt"
	"sync"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
)

// Window knows which seq of each submitter is next: 0 if the submitter has no sealed transaction in the last lifetime
// contents, else one more than the last. It is a function of the contents, so every replica has the same. What it keeps is
// bounded by the sealed transactions of lifetime contents. Its methods may be called from any goroutine.
type Window struct {
	lifetime uint64

	mu      sync.Mutex
	floor   uint64 // the lowest number to which it can be rewound
	last    uint64
	seqs    map[common.Address][]ordered // by number, ascending; never empty
	numbers []group                      // by number, ascending
}

// ordered is the last seq of a submitter at a number.
type ordered struct{ number, seq uint64 }

// group is the submitters with sealed transactions at a number.
type group struct {
	number     uint64
	submitters []common.Address
}

// NewWindow returns the window of a chain whose first content has the number first, before that content.
func NewWindow(first, lifetime uint64) *Window {
	return &Window{lifetime: lifetime, floor: first - 1, last: first - 1, seqs: map[common.Address][]ordered{}}
}

// Rebuild returns the window after the content last of a chain whose first content has the number first. It asks source for
// the last lifetime contents and no others.
func Rebuild(first, last, lifetime uint64, source func(number uint64) ([]seal.Header, error)) (*Window, error) {
	w := NewWindow(first, lifetime)
	if last >= first+lifetime {
		w = NewWindow(last-lifetime+1, lifetime)
	}
	for number := w.last + 1; number <= last; number++ {
		headers, err := source(number)
		if err == nil {
			err = w.AddHeaders(number, headers)
		}
		if err != nil {
			return nil, fmt.Errorf("rebuild window of seqs: %w", err)
		}
	}
	if last >= first+lifetime {
		w.floor = last // it knows nothing of what an earlier content would need
	}
	return w, nil
}

// Last is the number of the last content added.
func (w *Window) Last() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// Next is the seq that a submitter's first sealed transaction of content number must have.
func (w *Window) Next(submitter common.Address, number uint64) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next(submitter, number)
}

func (w *Window) next(submitter common.Address, number uint64) uint64 {
	list := w.seqs[submitter]
	if len(list) == 0 {
		return 0
	}
	at := list[len(list)-1]
	if number > at.number && number-at.number > w.lifetime {
		return 0
	}
	return at.seq + 1
}

// Plan hands out the seqs of one content, without a change to the window.
type Plan struct {
	window *Window
	number uint64
	taken  map[common.Address]uint64
}

// Plan plans the content of a number.
func (w *Window) Plan(number uint64) *Plan {
	return &Plan{w, number, map[common.Address]uint64{}}
}

// Next is the seq that a submitter's next sealed transaction of the content must have.
func (p *Plan) Next(submitter common.Address) uint64 {
	if next, ok := p.taken[submitter]; ok {
		return next
	}
	return p.window.Next(submitter, p.number)
}

// Take returns Next and uses it up.
func (p *Plan) Take(submitter common.Address) uint64 {
	next := p.Next(submitter)
	p.taken[submitter] = next + 1
	return next
}

// Add adds the next content, which must keep the rules.
func (w *Window) Add(p *preblockv1.Content) error {
	headers, err := Headers(p)
	if err != nil {
		return err
	}
	return w.AddHeaders(p.GetNumber(), headers)
}

// AddHeaders adds the next content by the headers of its sealed transactions.
func (w *Window) AddHeaders(number uint64, headers []seal.Header) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if number != w.last+1 {
		return fmt.Errorf("add content %d: %w: %d", number, ErrWindow, w.last)
	}
	var g group
	for _, h := range headers {
		list := w.seqs[h.Submitter]
		if n := len(list); n > 0 && list[n-1].number == number {
			list[n-1].seq = h.Seq
			continue
		}
		w.seqs[h.Submitter] = append(list, ordered{number, h.Seq})
		g.submitters = append(g.submitters, h.Submitter)
	}
	if g.submitters != nil {
		g.number = number
		w.numbers = append(w.numbers, g)
	}
	w.last = number
	w.forget()
	return nil
}

// forget drops what no later content needs. Twice the lifetime is kept, so that a Rewind of up to lifetime numbers has all.
func (w *Window) forget() {
	if w.last < 2*w.lifetime {
		return
	}
	keep := w.last - 2*w.lifetime
	for len(w.numbers) > 0 && w.numbers[0].number < keep {
		for _, a := range w.numbers[0].submitters {
			if list := w.seqs[a][1:]; len(list) == 0 {
				delete(w.seqs, a)
			} else {
				w.seqs[a] = list
			}
		}
		w.numbers = w.numbers[1:]
	}
	w.floor = max(w.floor, keep+w.lifetime-1)
}

// Rewind takes back the contents after last. It returns false, and changes nothing, when the window does not remember enough:
// build a new one.
func (w *Window) Rewind(last uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last < w.floor || last > w.last {
		return false
	}
	n := len(w.numbers)
	for n > 0 && w.numbers[n-1].number > last {
		n--
		for _, a := range w.numbers[n].submitters {
			if list := w.seqs[a]; len(list) == 1 {
				delete(w.seqs, a)
			} else {
				w.seqs[a] = list[:len(list)-1]
			}
		}
	}
	w.numbers, w.last = w.numbers[:n], last
	return true
}
