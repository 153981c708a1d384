// Package rolluptest is a rollup for tests of bundlers: it takes bundles over JSON-RPC as a rollup does, opens none, and
// does what a test tells it to.
package rolluptest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"blindseq/kit/notify"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
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
	lose     int // answers to bundles to lose
	statuses bool
	claims   map[common.Hash]common.Hash
	bundles  [][]byte // all that came, repeats too
	received []string // all bodies
	nonces   map[common.Address]uint64
	poor     map[common.Address]bool
	receipts map[common.Hash]bool
	status   map[common.Hash]string
	changed  notify.Broadcast
}

// New starts a rollup of chain 1337 at which everybody is rich.
func New(t testing.TB) *Rollup {
	t.Helper()
	r := &Rollup{
		nonces: map[common.Address]uint64{}, poor: map[common.Address]bool{}, receipts: map[common.Hash]bool{},
		status: map[common.Hash]string{}, claims: map[common.Hash]common.Hash{},
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

// Refuse makes it refuse bundles; nil takes them again.
func (r *Rollup) Refuse(e *Error) { r.set(func() { r.refusal = e }) }

// LoseAnswers takes the next bundles and breaks the connections instead of answering.
func (r *Rollup) LoseAnswers(n int) { r.set(func() { r.lose = n }) }

// Include puts a transaction into a block.
func (r *Rollup) Include(hash common.Hash, from common.Address, next uint64) {
	r.set(func() { r.receipts[hash], r.nonces[from] = true, next })
}

// Use makes a nonce the next one of an account, as if transactions from elsewhere had used those before.
func (r *Rollup) Use(from common.Address, next uint64) { r.set(func() { r.nonces[from] = next }) }

// Poor takes an account's balance.
func (r *Rollup) Poor(a common.Address) { r.set(func() { r.poor[a] = true }) }

// Status sets what te_getTransactionStatus says of a transaction. Without any the method is unknown.
func (r *Rollup) Status(hash common.Hash, status string) {
	r.set(func() { r.statuses, r.status[hash] = true, status })
}

// Claim makes te_getTransactionStatus tell of a transaction what it says of a bundle that is said to hold it; the zero hash
// is the bundle with it that came first.
func (r *Rollup) Claim(hash, bundle common.Hash, status string) {
	r.set(func() { r.statuses, r.status[hash], r.claims[hash] = true, status, bundle })
}

// Received is every request's body so far.
func (r *Rollup) Received() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.received)
}

// Bundles waits until a number of bundles came, repeats too, and returns them.
func (r *Rollup) Bundles(t testing.TB, n int) [][]byte {
	t.Helper()
	for {
		r.mu.Lock()
		bundles, changed := slices.Clone(r.bundles), r.changed.Changed()
		r.mu.Unlock()
		if len(bundles) >= n {
			return bundles
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatalf("%d bundles came, not %d", len(bundles), n)
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

// take takes a bundle as a rollup does: its form, its signature, its proof.
func (r *Rollup) take(raw []byte) (result any, refusal *Error) {
	b, err := te.DecodeBundle(raw)
	if err == nil {
		_, err = b.Signer()
	}
	if err == nil {
		_, err = b.Payload.Ciphertext.Verify()
	}
	if err == nil && len(b.Payload.Txs) != 1 {
		err = fmt.Errorf("%d transactions", len(b.Payload.Txs))
	}
	if err != nil {
		return nil, &Error{-32000, err.Error()}
	}
	lost := false
	r.set(func() {
		if refusal = r.refusal; refusal != nil {
			return
		}
		repeated := slices.ContainsFunc(r.bundles, func(other []byte) bool { return string(other) == string(raw) })
		r.bundles = append(r.bundles, raw)
		if lost = r.lose > 0; lost {
			r.lose--
		} else if repeated {
			refusal = &Error{-32000, "already known"}
		}
	})
	if lost {
		panic(http.ErrAbortHandler)
	}
	return b.Hash(), refusal
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
	case method == "eth_getTransactionByHash" && r.knows(hash):
		return map[string]any{"hash": hash, "fromRollup": true}, nil
	case method == "eth_getTransactionReceipt" || method == "eth_getTransactionByHash":
		return nil, nil
	case method == "te_getTransactionStatus" && r.statuses:
		answer := map[string]any{"status": r.status[hash], "reason": "as the test says"}
		if bundle, ok := r.claims[hash]; ok {
			answer["bundle"] = bundle
			if i := r.holding(hash); bundle == (common.Hash{}) && i >= 0 {
				answer["bundle"] = crypto.Keccak256Hash(r.bundles[i])
			}
		}
		return answer, nil
	case method == "eth_blockNumber":
		return "0x5", nil
	}
	return nil, &Error{-32601, "the method " + method + " does not exist"}
}

// knows tells of what was included, and of bundles when there are statuses: a rollup that has them looks them up too.
func (r *Rollup) knows(hash common.Hash) bool {
	if r.receipts[hash] {
		return true
	}
	return r.statuses && r.holding(hash) >= 0
}

// holding is the first bundle that came with a transaction, -1 without any.
func (r *Rollup) holding(hash common.Hash) int {
	return slices.IndexFunc(r.bundles, func(raw []byte) bool {
		b, err := te.DecodeBundle(raw)
		return err == nil && b.Payload.Txs[0].Hash == hash
	})
}
