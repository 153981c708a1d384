// Package rollupnodetest is a stand-in for an Octez smart rollup node: it takes messages for layer 1, executes the
// blueprints in them when a test lets layer 1 have a block, and can be made slow, made to refuse and made to lose messages.
package rollupnodetest

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"

	"github.com/ethereum/go-ethereum/rlp"
)

// Node is the stand-in. Its methods may be called from any goroutine.
type Node struct {
	URL    string
	server *httptest.Server

	mu       sync.Mutex
	away     bool
	lose     bool
	level    uint64
	executed uint64
	shown    map[uint64]uint64       // what was executed at each level
	mempool  map[uint64]map[int]bool // chunks by number that the next block of layer 1 may have
	counts   map[uint64]int          // how many chunks a blueprint has
	pushed   []uint64                // every blueprint taken, in order, repeats included
}

// chunk is a signed chunk on the wire.
type chunk struct {
	Value        []byte
	Number       [32]byte
	Count, Index [2]byte
	Signature    []byte
}

// Start starts a node on a free port, at level 1 of layer 1. Close it.
func Start() *Node {
	n := &Node{level: 1, shown: map[uint64]uint64{}, mempool: map[uint64]map[int]bool{}, counts: map[uint64]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /local/batcher/injection", n.inject)
	mux.HandleFunc("GET /global/block/head/level", n.head)
	mux.HandleFunc("GET /global/block/{level}/durable/wasm_2_0_0/value", n.value)
	n.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.isAway() {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	n.URL = n.server.URL
	return n
}

// Close ends the node.
func (n *Node) Close() { n.server.Close() }

// SetAway makes the node answer nothing but 503, or ends that.
func (n *Node) SetAway(away bool) { n.change(func() { n.away = away }) }

// SetLosing makes layer 1 lose what the node takes, or ends that.
func (n *Node) SetLosing(lose bool) { n.change(func() { n.lose = lose }) }

// Advance gives layer 1 a block: the rollup executes at most so many blueprints of those it has, without a gap.
func (n *Node) Advance(most int) {
	n.change(func() {
		n.level++
		defer func() { n.shown[n.level] = n.executed }()
		for ; most > 0; most-- {
			next := n.executed + 1
			if n.counts[next] == 0 || len(n.mempool[next]) < n.counts[next] {
				return
			}
			delete(n.mempool, next)
			n.executed = next
		}
	})
}

// Executed is the rollup's last blueprint.
func (n *Node) Executed() (number uint64) {
	n.change(func() { number = n.executed })
	return number
}

// Pushed are the blueprints that were taken, in order and with repeats.
func (n *Node) Pushed() (numbers []uint64) {
	n.change(func() { numbers = append(numbers, n.pushed...) })
	return numbers
}

func (n *Node) change(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}

func (n *Node) isAway() (away bool) {
	n.change(func() { away = n.away })
	return away
}

func (n *Node) inject(w http.ResponseWriter, r *http.Request) {
	var messages []string
	if err := json.NewDecoder(r.Body).Decode(&messages); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, message := range messages {
		if err := n.take(message); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	_ = json.NewEncoder(w).Encode(messages) // hashes, which no caller reads
}

// take reads a message: 0x00, the rollup's address, 0x03, a signed chunk.
func (n *Node) take(message string) error {
	const prefix = 1 + 20 + 1
	raw, err := hex.DecodeString(message)
	if err != nil || len(raw) < prefix || raw[0] != 0 || raw[prefix-1] != 3 {
		return fmt.Errorf("not a message with a chunk: %.60s", message)
	}
	var c chunk
	if err := rlp.DecodeBytes(raw[prefix:], &c); err != nil {
		return fmt.Errorf("decode chunk: %w", err)
	}
	number := binary.LittleEndian.Uint64(c.Number[:8])
	index, count := int(binary.LittleEndian.Uint16(c.Index[:])), int(binary.LittleEndian.Uint16(c.Count[:]))
	if index == 0 {
		n.pushed = append(n.pushed, number)
	}
	if n.lose || number <= n.executed {
		return nil
	}
	if n.mempool[number] == nil {
		n.mempool[number] = map[int]bool{}
	}
	n.mempool[number][index], n.counts[number] = true, count
	return nil
}

func (n *Node) head(w http.ResponseWriter, _ *http.Request) {
	n.change(func() { _ = json.NewEncoder(w).Encode(n.level) })
}

// value answers with the state at the requested level, without what came later.
func (n *Node) value(w http.ResponseWriter, r *http.Request) {
	level, err := strconv.ParseUint(r.PathValue("level"), 10, 64)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var executed uint64
	n.change(func() { executed = n.shown[level] })
	if r.URL.Query().Get("key") != "/evm/world_state/blocks/current/number" || executed == 0 {
		_, _ = w.Write([]byte("null\n"))
		return
	}
	var number [32]byte
	binary.LittleEndian.PutUint64(number[:], executed)
	_ = json.NewEncoder(w).Encode(hex.EncodeToString(number[:]))
}
