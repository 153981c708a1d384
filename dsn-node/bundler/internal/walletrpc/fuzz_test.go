package walletrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"blindseq/dsn-node/bundler/internal/bundling"
	"blindseq/dsn-node/bundler/internal/outbox"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

type nothing struct{ answer []byte }

func (nothing) Send(context.Context, []byte) (common.Hash, error) { return common.Hash{1}, nil }
func (nothing) Waits(common.Hash) bool                            { return true }
func (nothing) Transaction(common.Hash) (*types.Transaction, error) {
	return someTransaction(), nil
}
func (nothing) Nonces(common.Address) outbox.Nonces { return outbox.Nonces{0: true} }
func (nothing) Why(common.Hash) (status, reason string, known bool) {
	return "dropped", "for a reason", true
}
func (nothing) Ended() <-chan struct{}               { return nil }
func (nothing) Standing(common.Hash) outbox.Standing { return outbox.Standing{} }
func (nothing) Watch(common.Hash) (changed func() <-chan struct{}, forget func()) {
	return func() <-chan struct{} { return nil }, func() {}
}
func (nothing) Find(context.Context, common.Hash) (common.Hash, bundling.Place, error) {
	return common.Hash{2}, bundling.Public, nil
}

func (n nothing) Forward(context.Context, []byte) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(n.answer))}, nil
}

// someTransaction is one that somebody signed.
var someTransaction = sync.OnceValue(func() *types.Transaction {
	key, err := crypto.GenerateKey()
	if err != nil {
		panic(err)
	}
	return types.MustSignNewTx(key, types.LatestSignerForChainID(big.NewInt(1337)), &types.DynamicFeeTx{ChainID: big.NewInt(1337), GasFeeCap: big.NewInt(9), Nonce: 3})
})

func FuzzHandler(f *testing.F) {
	f.Add([]byte(`{"id":1,"method":"eth_getTransactionByHash","params":["0x00"]}`), []byte(`{"id":1,"result":null}`))
	f.Add([]byte(`[{"id":1,"method":"eth_sendRawTransaction","params":["0x00"]},{"id":2,"method":"x"},null,3]`), []byte(`[{"id":2}]`))
	f.Add([]byte(`{"id":"x","method":"te_getTransactionStatus","params":["0x00"]}`), []byte(`{"id":"x","result":{"status":"sealed"}}`))
	f.Add([]byte(`[{"id":1,"method":"eth_call"},{"id":1,"method":"eth_blockNumber"}]`), []byte(`[{"id":1,"result":"0x"}]`))
	f.Fuzz(func(t *testing.T, request, answer []byte) {
		n := nothing{answer}
		h := NewHandler(n, Backends{Leader: &n, Observer: &nothing{answer}}, Limits{1 << 20, 10, time.Second, 0}, func(string, string) {}, slog.New(slog.DiscardHandler))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(request)))
		if b := w.Body.Bytes(); len(b) > 0 && !json.Valid(b) {
			t.Fatalf("not JSON: %q", b)
		}
	})
}
