package walletrpc

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"blindseq/dsn-node/bundler/internal/rollup"
)

// restarting is a node that is not there until a time.
type restarting struct {
	nothing
	until time.Time
	away  error
}

func (r *restarting) Forward(ctx context.Context, body []byte) (*http.Response, error) {
	if time.Now().Before(r.until) {
		return nil, fmt.Errorf("forward request: %w", r.away)
	}
	return r.nothing.Forward(ctx, body)
}

func TestACallWaitsForAnObserverThatRestarts(t *testing.T) {
	for name, c := range map[string]struct {
		away time.Duration
		want string
	}{"for seconds": {5 * time.Second, `"0x7"`}, "for long": {time.Minute, "does not answer"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				node := &restarting{nothing{[]byte(`{"jsonrpc":"2.0","id":1,"result":"0x7"}`)}, time.Now().Add(c.away), rollup.ErrObserver}
				h := NewHandler(node, Backends{Leader: new(nothing), Observer: node}, Limits{Body: 1 << 10, Batch: 1, Timeout: 30 * time.Second}, func(string, string) {}, slog.New(slog.DiscardHandler))
				w := httptest.NewRecorder()
				call := `{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x0000000000000000000000000000000000000001"]}`
				h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(call)))
				if !strings.Contains(w.Body.String(), c.want) {
					t.Errorf("answered with %s", w.Body)
				}
			})
		})
	}
}
