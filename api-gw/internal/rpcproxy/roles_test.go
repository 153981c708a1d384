package rpcproxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"blindseq/api-gw/internal/rpcproxy"
	"blindseq/kit/certs"
	"blindseq/kit/certs/certstest"
)

// TestALeaderThatIsNoProducerIsSentNothing: whoever writes Redis names the leader's address, and other services of the authority
// may lie about who they are.
func TestALeaderThatIsNoProducerIsSentNothing(t *testing.T) {
	a, err := certstest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	source := func(name string) *certs.Source {
		files, err := a.Write(t.TempDir(), name, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		s, err := certs.Open(files)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	gateway := source("api-gw")
	for name, want := range map[string]int{"producer-svc": http.StatusOK, "bundler": http.StatusServiceUnavailable, "producer-observer": http.StatusServiceUnavailable} {
		var sent atomic.Int64
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			sent.Add(1)
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":"0x1"}`)
		}))
		server.TLS = source(name).Server("http/1.1")
		server.StartTLS()
		t.Cleanup(server.Close)
		g := start(t, server.URL, func(c *rpcproxy.Config) { c.Certificates = gateway })
		code, _, text := g.post(t, `{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x00"]}`)
		if code != want || (sent.Load() > 0) != (want == http.StatusOK) {
			t.Errorf("%s leads: %d %s, it was sent %d requests", name, code, text, sent.Load())
		}
	}
}
