package leak

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
)

// Requests is a proxy that keeps every request that goes through it.
type Requests struct {
	server *httptest.Server

	mu   sync.Mutex
	kept [][]byte
}

// Record starts a proxy in front of an HTTP server at address (host:port).
func Record(address string) *Requests {
	r := &Requests{}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(&url.URL{Scheme: "http", Host: address}) }}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		dump, err := httputil.DumpRequest(req, true)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		r.mu.Lock()
		r.kept = append(r.kept, dump)
		r.mu.Unlock()
		proxy.ServeHTTP(w, req)
	}))
	return r
}

// Address is where the proxy listens, host:port.
func (r *Requests) Address() string { return r.server.Listener.Addr().String() }

// All returns the requests so far, head and body of each.
func (r *Requests) All() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept[:len(r.kept):len(r.kept)]
}

// Close ends the proxy.
func (r *Requests) Close() { r.server.Close() }
