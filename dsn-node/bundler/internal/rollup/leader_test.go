package rollup

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTheLeaderIsAskedWithTheAPIKey(t *testing.T) {
	var keys []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("X-Api-Key"))
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":"0x539"}`)
	}))
	defer server.Close()
	for _, key := range []string{"0123456789abcdef", ""} {
		leader, err := NewLeader(t.Context(), server.URL, key)
		if err != nil {
			t.Fatal(err)
		}
		defer leader.Close()
		if _, err := leader.ChainID(t.Context()); err != nil {
			t.Fatal(err)
		}
		res, err := leader.Forward(t.Context(), []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	if got := strings.Join(keys, " "); got != "0123456789abcdef 0123456789abcdef  " {
		t.Errorf("the keys %q were sent", got)
	}
}
