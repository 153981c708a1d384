// Package rolluptest is a rollup for tests of bundlers: it takes sealed transactions over JSON-RPC as a rollup's leader does,
// opens none, and does what a test tells it to.
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
	URL string

	mu       sync.Mutex
	away     bool
	refusal  *Error
	lose     int // answers to sealed transactions to lose
	ring     *seal.Ring
	sealed   [][]byte // all that came, repeats too
	pool     map[seal.ID]*seal.Sealed
	first    uint64 // seq after what was ordered
	head     uint64
	received []string // all bodies
	nonces   map[common.Address]uint64
	poor     map[common.Address]bool
	receipts map[common.Hash]bool
	status   map[common.Hash]status
	changed  notify.Broadcast
}

type status struct {
	name   string
	number uint64
}

// New starts a rollup of chain 1337 at which everybody is rich. It takes what is sealed to a key of the ring.
func New(t testing.TB, ring *seal.Ring) *Rollup {
	t.Helper()
	r := &Rollup{
		ring: ring, head: 5, pool: map[seal.ID]*seal.Sealed{},
		nonces: map[common.Address]uint64{}, poor: map[common.Address]bool{}, receipts: map[common.Hash]bool{}, status: map[common.Hash]status{},
	}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.URL = server.URL
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

// Poor takes an account's balance.
func (r *Rollup) Poor(a common.Address) { r.set(func() { r.poor[a] = true }) }

// Received is every request's body so far.
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

func (r *Rollup) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	away := false
	r.set(func() { r.received, away = append(r.received, string(body)), r.away })
	if away {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	var batch []request
	if json.Unmarshal(body, &batch) == nil {
		answers := []json.RawMessage{}
		for _, one := range slices.Backward(batch) { // any order is allowed
			answers = append(answers, r.answer(one))
		}
		_ = json.NewEncoder(w).Encode(answers) // the client may have gone
		return
	}
	var one request
	if json.Unmarshal(body, &one) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = w.Write(r.answer(one)) // the client may have gone
}

func (r *Rollup) answer(c request) json.RawMessage {
	answer := map[string]any{"jsonrpc": "2.0", "id": c.ID}
	result, failed := r.call(c)
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

func (r *Rollup) call(c request) (any, *Error) {
	switch c.Method {
	case "eth_chainId":
		return hexutil.Uint64(1337), nil
	case "eth_sendRawTransaction":
		var raw hexutil.Bytes
		if json.Unmarshal(c.Params[0], &raw) != nil {
			return nil, &Error{-32602, "invalid params"}
		}
		return r.take(raw)
	case "eth_getTransactionCount", "eth_getBalance":
		var a common.Address
		_ = json.Unmarshal(c.Params[0], &a) // the zero address then
		return r.account(c.Method, a), nil
	}
	var hash common.Hash
	if len(c.Params) > 0 {
		_ = json.Unmarshal(c.Params[0], &hash) // the zero hash then
	}
	return r.find(c.Method, hash)
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
	if r.poor[a] {
		return "0x0"
	}
	return "0xffffffffffffffffffff"
}

func (r *Rollup) find(method string, hash common.Hash) (any, *Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case method == "eth_getTransactionReceipt" && r.receipts[hash]:
		return map[string]any{"blockNumber": "0x5", "transactionHash": hash}, nil
	case method == "eth_getTransactionByHash" && r.receipts[hash]:
		return map[string]any{"hash": hash, "fromRollup": true}, nil
	case method == "eth_getTransactionReceipt" || method == "eth_getTransactionByHash":
		return nil, nil
	case method == "te_getTransactionStatus":
		return r.statusOf(hash), nil
	case method == "te_getNextSeq":
		return hexutil.Uint64(r.nextSeq()), nil
	case method == "eth_blockNumber":
		return hexutil.Uint64(r.head), nil
	}
	return nil, &Error{-32601, "the method " + method + " does not exist"}
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
