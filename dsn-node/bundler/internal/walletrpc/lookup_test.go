package walletrpc

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// leaving is an intake with one transaction, which enters a block while the observer answers that it does not know it.
type leaving struct {
	nothing
	here bool
}

func (l *leaving) Waits(common.Hash) bool { return l.here }

func (l *leaving) Forward(_ context.Context, body []byte) (*http.Response, error) {
	l.here = false
	answer := `{"jsonrpc":"2.0","id":1,"result":null}`
	if body[0] == '[' {
		answer = "[" + answer + "]"
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(answer))}, nil
}

func TestATransactionIsFoundThoughItEntersABlockWhileItIsLookedFor(t *testing.T) {
	call := `{"jsonrpc":"2.0","id":1,"method":"eth_getTransactionByHash","params":["` + common.Hash{7}.Hex() + `"]}`
	for _, body := range []string{call, "[" + call + "]"} {
		l := &leaving{here: true}
		h := NewHandler(l, Backends{Leader: new(nothing), Observer: l}, Limits{Body: 1 << 10, Batch: 1, Timeout: time.Minute}, func(string, string) {}, slog.New(slog.DiscardHandler))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body)))
		if !strings.Contains(w.Body.String(), common.Hash{7}.Hex()) {
			t.Errorf("%s is answered with %s", body, w.Body)
		}
	}
}
