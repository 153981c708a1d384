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
func (nothing) Standing(common.Hash) outbox.Standing              { return outbox.Standing{} }
func (nothing) Watch(common.Hash) (changed func() <-chan struct{}, forget func()) {
	return func() <-chan struct{} { return nil }, func() {}
}
func (nothing) Look(context.Context, common.Hash, bool) (bundling.Found, error) {
	return bundling.Found{At: bundling.Public, ID: common.Hash{2}, Raw: someRaw()}, nil
}
func (nothing) NextNonce(context.Context, common.Address) (uint64, error) { return 1, nil }
func (nothing) AwaitEnd(context.Context, common.Hash) (string, error)     { return "for a reason", nil }

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

func someRaw() []byte {
	raw, err := someTransaction().MarshalBinary()
	if err != nil {
		panic(err)
	}
	return raw
}

func FuzzHandler(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"eth_getTransactionByHash","params":["0x00"]}`), []byte(`{"jsonrpc":"2.0","id":1,"result":null}`))
	f.Add([]byte(`[{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x00"]},{"jsonrpc":"2.0","id":2,"method":"x"},null,3]`), []byte(`[{"jsonrpc":"2.0","id":2}]`))
	f.Add([]byte(`{"jsonrpc":"2.0","id":"x","method":"te_getTransactionStatus","params":["0x00"]}`), []byte(`{"jsonrpc":"2.0","id":"x","result":{"status":"sealed"}}`))
	f.Add([]byte(`[{"jsonrpc":"2.0","id":1,"method":"eth_call"},{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}]`), []byte(`[{"jsonrpc":"2.0","id":1,"result":"0x"}]`))
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
