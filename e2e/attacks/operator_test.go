package attacks

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"blindseq/dsn-node/offline/keygen"
	"blindseq/e2e/cluster"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/ethclient"
)

// nosy is who operates gateway and leader: it reads what a bundler asks, and says of every sealed transaction that its place is
// fixed, so that the bundler, and the wallets behind it, ask about the one inside.
type nosy struct {
	server *httptest.Server

	mu    sync.Mutex
	lying bool
	asked map[string]int // calls, by method
	heard []byte         // all that it was sent
}

func newNosy(address string) *nosy {
	n := &nosy{asked: map[string]int{}, lying: true}
	behind := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(&url.URL{Scheme: "http", Host: address}) }}
	n.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if lie, ok := n.hear(body); ok {
			_, _ = w.Write(lie) // the bundler may have gone
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		behind.ServeHTTP(w, r)
	}))
	return n
}

type question struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
}

// hear notes a request, and lies to questions about where transactions are.
func (n *nosy) hear(body []byte) (lie []byte, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.heard = append(append(n.heard, body...), '\n')
	var all []question
	if json.Unmarshal(body, &all) != nil {
		all = make([]question, 1)
		if json.Unmarshal(body, &all[0]) != nil {
			return nil, false
		}
	}
	lies := []map[string]any{}
	for _, q := range all {
		n.asked[q.Method]++
		if q.Method == "te_getTransactionStatus" {
			lies = append(lies, map[string]any{"jsonrpc": "2.0", "id": q.ID, "result": map[string]any{"status": "opened", "blockNumber": "0x1"}})
		}
	}
	if !n.lying || len(lies) != len(all) {
		return nil, false
	}
	var answer any = lies
	if body[0] != '[' {
		answer = lies[0]
	}
	lie, err := json.Marshal(answer)
	return lie, err == nil
}

func (n *nosy) tellTheTruth() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lying = false
}

// TestAnOperatorLearnsNothingFromWhatABundlerAsks: whoever operates leader and gateway watches for questions about a nonce, a
// balance, a simulation or a hash, which tell who is about to send what, and lies to provoke them.
func TestAnOperatorLearnsNothingFromWhatABundlerAsks(t *testing.T) {
	t.Parallel()
	var operator *nosy
	s := newScene(t, cluster.Options{Bundler: true, Fronts: map[string]cluster.Front{cluster.Gateway: func(address string, _ *keygen.Files) (string, error) {
		operator = newNosy(address)
		t.Cleanup(operator.server.Close)
		return operator.server.Listener.Addr().String(), nil
	}}})
	s.pool(true)
	bundler, err := ethclient.DialContext(t.Context(), s.Wallets)
	must(t, err)
	t.Cleanup(bundler.Close)
	victim := s.accounts[0]
	inner, err := victim.Transfer(common.HexToAddress("0x00000000000000000000000000000000005eC4e7"))
	must(t, err)
	_, err = bundler.PendingNonceAt(t.Context(), victim.Address)
	must(t, err)
	_, err = bundler.EstimateGas(t.Context(), ethereum.CallMsg{From: victim.Address, To: inner.To(), Value: inner.Value()})
	must(t, err)
	must(t, bundler.SendTransaction(t.Context(), inner))
	for range 20 {
		if _, err := bundler.TransactionReceipt(t.Context(), inner.Hash()); err == nil {
			t.Fatal("it has a receipt before its place is fixed")
		}
		var found, status json.RawMessage
		must(t, bundler.Client().CallContext(t.Context(), &found, "eth_getTransactionByHash", inner.Hash()))
		must(t, bundler.Client().CallContext(t.Context(), &status, "te_getTransactionStatus", inner.Hash()))
	}
	operator.mustHaveHeardNothing(t, map[string][]byte{
		"the sender": victim.Address[:], "the receiver": inner.To()[:], "the hash": inner.Hash().Bytes(), "the transaction": encoded(t, inner)[0][:40],
	})
	operator.tellTheTruth()
	s.pool(false)
	if got := s.receipt(inner.Hash()); got.TxHash != inner.Hash() {
		t.Errorf("receipt of %s", got.TxHash)
	}
}

func (n *nosy) mustHaveHeardNothing(t *testing.T, secrets map[string][]byte) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	heard := strings.ToLower(string(n.heard))
	for what, secret := range secrets {
		if strings.Contains(heard, hexutil.Encode(secret)[2:]) {
			t.Errorf("the operator was told %s", what)
		}
	}
	for method := range n.asked {
		if !slices.Contains([]string{"eth_chainId", "te_getNextSeq", "te_getTransactionStatus", "eth_sendRawTransaction"}, method) {
			t.Errorf("the operator was asked %s", method)
		}
	}
	if n.asked["eth_sendRawTransaction"] != 1 || n.asked["te_getTransactionStatus"] == 0 {
		t.Errorf("the operator was asked %v", slices.Sorted(maps.Keys(n.asked)))
	}
}
