// Package rolluptest is a rollup for tests of bundlers: a leader that takes sealed transactions over JSON-RPC and opens none, and
// an observer of the same chain. It does what a test tells it to.
//
// The leader fails the test when it is asked for anything that it must not learn: see leader.go.
package rolluptest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"blindseq/kit/notify"
	"blindseq/seal"

	"github.com/coder/websocket"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// Error is an answer that is an error.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// Rollup is a rollup that listens.
type Rollup struct {
	URL      string // of its leader
	Observer string // URL of its observer

	t        testing.TB
	mu       sync.Mutex
	away     bool
	refusal  *Error
	lose     int // answers to sealed transactions to lose
	ring     *seal.Ring
	sealed   [][]byte // all that came, repeats too
	pool     map[seal.ID]*seal.Sealed
	first    uint64 // seq after what was ordered
	head     uint64
	ids      map[common.Hash]bool // of all that came
	received []string             // all bodies at the leader
	observed []string             // and at the observer
	behind   uint64               // blocks that the observer lacks
	shown    map[common.Hash]bool
	baseFee  uint64
	nonces   map[common.Address]uint64
	balances map[common.Address]uint64
	receipts map[common.Hash]bool
	status   map[common.Hash]status
	changed  notify.Broadcast
	open     []*websocket.Conn // at the observer
}

type status struct {
	name   string
	number uint64
}

// New starts a rollup of chain 1337 at which everybody is rich. It takes what is sealed to a key of the ring.
func New(t testing.TB, ring *seal.Ring) *Rollup {
	t.Helper()
	r := &Rollup{
		t: t, ring: ring, head: 5, pool: map[seal.ID]*seal.Sealed{}, ids: map[common.Hash]bool{}, shown: map[common.Hash]bool{}, baseFee: 1,
		nonces: map[common.Address]uint64{}, balances: map[common.Address]uint64{}, receipts: map[common.Hash]bool{}, status: map[common.Hash]status{},
	}
	leader, observer := httptest.NewServer(serve(r.atLeader)), httptest.NewServer(r.sockets(serve(r.atObserver)))
	t.Cleanup(leader.Close)
	t.Cleanup(observer.Close)
	r.URL, r.Observer = leader.URL, observer.URL
	return r
}

func (r *Rollup) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	r.changed.Notify()
}

// Away makes it answer nothing, or answer again.
func (r *Rollup) Away(away bool) { r.set(func() { r.away = away }) }

// Refuse makes it refuse sealed transactions; nil takes them again.
func (r *Rollup) Refuse(e *Error) { r.set(func() { r.refusal = e }) }

// LoseAnswers takes the next sealed transactions and breaks the connections instead of answering.
func (r *Rollup) LoseAnswers(n int) { r.set(func() { r.lose = n }) }

// Forget empties its pool, as when the leader changes.
func (r *Rollup) Forget() { r.set(func() { clear(r.pool) }) }

// Begin makes a seq the submitter's next one, after what was ordered, and a number that of the last block.
func (r *Rollup) Begin(seq, head uint64) { r.set(func() { r.first, r.head = seq, head }) }

// Order gives a sealed transaction a place in a block, and a status. A number of 0 is no place.
func (r *Rollup) Order(id seal.ID, name string, number uint64) {
	r.set(func() {
		r.status[common.Hash(id)] = status{name, number}
		r.head = max(r.head, number)
		if s := r.pool[id]; s != nil && number > 0 {
			r.first = max(r.first, s.Seq+1)
			delete(r.pool, id)
		}
	})
}

// Include puts a transaction into a block.
func (r *Rollup) Include(hash common.Hash, from common.Address, next uint64) {
	r.set(func() { r.receipts[hash], r.nonces[from] = true, next })
}

// Use makes a nonce the next one of an account, as if transactions from elsewhere had used those before.
func (r *Rollup) Use(from common.Address, next uint64) { r.set(func() { r.nonces[from] = next }) }

// Own makes a number of wei an account's balance.
func (r *Rollup) Own(a common.Address, wei uint64) { r.set(func() { r.balances[a] = wei }) }

// Poor takes an account's balance.
func (r *Rollup) Poor(a common.Address) { r.Own(a, 0) }

// Lag makes the observer lack the last blocks.
func (r *Rollup) Lag(blocks uint64) { r.set(func() { r.behind = blocks }) }

// Show has the observer know a transaction by its hash, as one that was seen in plain.
func (r *Rollup) Show(hash common.Hash) { r.set(func() { r.shown[hash] = true }) }

// Charge sets the next block's base fee.
func (r *Rollup) Charge(baseFee uint64) { r.set(func() { r.baseFee = baseFee }) }

// Observed is every request's body at the observer so far.
func (r *Rollup) Observed() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.observed)
}

// Received is every request's body at the leader so far.
func (r *Rollup) Received() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.received)
}

// Sealed waits until a number of sealed transactions came, repeats too, and returns them.
func (r *Rollup) Sealed(t testing.TB, n int) [][]byte {
	t.Helper()
	for {
		r.mu.Lock()
		sealed, changed := slices.Clone(r.sealed), r.changed.Changed()
		r.mu.Unlock()
		if len(sealed) >= n {
			return sealed
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatalf("%d sealed transactions came, not %d", len(sealed), n)
		}
	}
}

type request struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

// serve answers calls and batches by what call makes of each; away breaks off.
func serve(body func([]byte) (call func(request) (any, *Error), away bool)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		call, away := body(b)
		if away {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		var batch []request
		if json.Unmarshal(b, &batch) == nil {
			answers := []json.RawMessage{}
			for _, one := range batch {
				answers = append(answers, answer(one, call))
			}
			slices.Reverse(answers)                // any order is allowed
			_ = json.NewEncoder(w).Encode(answers) // the client may have gone
			return
		}
		var one request
		if json.Unmarshal(b, &one) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = w.Write(answer(one, call)) // the client may have gone
	})
}

func answer(c request, call func(request) (any, *Error)) json.RawMessage {
	answer := map[string]any{"jsonrpc": "2.0", "id": c.ID}
	result, failed := call(c)
	if failed != nil {
		answer["error"] = failed
	} else {
		answer["result"] = result
	}
	b, err := json.Marshal(answer)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return b
}

func (r *Rollup) atLeader(body []byte) (call func(request) (any, *Error), away bool) {
	r.set(func() { r.received, away = append(r.received, string(body)), r.away })
	return r.leader, away
}

func (r *Rollup) atObserver(body []byte) (call func(request) (any, *Error), away bool) {
	r.set(func() { r.observed, away = append(r.observed, string(body)), r.away })
	return r.observer, away
}

// take takes a sealed transaction as a leader's pool does.
func (r *Rollup) take(raw []byte) (result any, refusal *Error) {
	parsed, err := seal.Parse(raw)
	if err == nil {
		_, err = r.ring.Check(parsed)
	}
	if err != nil {
		return nil, &Error{-32000, err.Error()}
	}
	lost := false
	r.set(func() {
		r.ids[common.Hash(parsed.ID())] = true
		if refusal = r.refusal; refusal != nil {
			return
		}
		r.sealed = append(r.sealed, raw)
		if lost = r.lose > 0; lost {
			r.lose--
		}
		if err := r.enter(parsed); err != nil {
			refusal = &Error{-32000, err.Error()}
		}
	})
	if lost {
		panic(http.ErrAbortHandler)
	}
	return parsed.ID(), refusal
}

func (r *Rollup) enter(s *seal.Sealed) error {
	if r.pool[s.ID()] != nil {
		return errors.New("already known")
	}
	if s.Seq < r.first || s.Seq >= r.first+1024 {
		return errors.New("seq out of range")
	}
	if s.Expiry <= r.head {
		return errors.New("expiry out of range")
	}
	for _, other := range r.pool {
		if other.Seq == s.Seq {
			return errors.New("seq is taken")
		}
	}
	r.pool[s.ID()] = s
	return nil
}

func (r *Rollup) nextSeq() uint64 {
	taken := map[uint64]bool{}
	for _, s := range r.pool {
		taken[s.Seq] = true
	}
	next := r.first
	for taken[next] {
		next++
	}
	return next
}

func (r *Rollup) account(method string, a common.Address) any {
	r.mu.Lock()
	defer r.mu.Unlock()
	if method == "eth_getTransactionCount" {
		return hexutil.Uint64(r.nonces[a])
	}
	if wei, known := r.balances[a]; known {
		return hexutil.Uint64(wei)
	}
	return "0xffffffffffffffffffff"
}

func (r *Rollup) statusOf(hash common.Hash) map[string]any {
	said, ok := r.status[hash]
	switch {
	case ok && said.number > 0:
		return map[string]any{"status": said.name, "blockNumber": hexutil.Uint64(said.number), "reason": "as the test says"}
	case ok:
		return map[string]any{"status": said.name, "reason": "as the test says"}
	case r.pool[seal.ID(hash)] != nil:
		return map[string]any{"status": "sealed"}
	}
	return map[string]any{"status": "unknown"}
}
