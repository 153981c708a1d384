package fakes

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// RPC is a producer's JSON-RPC: it answers {"jsonrpc":"2.0","id":1,"result":"<name>"} over HTTP, and echoes over
// WebSocket.
type RPC struct {
	Name string

	server  *httptest.Server
	mu      sync.Mutex
	bodies  []string
	headers []http.Header
	sockets []*websocket.Conn
	handler http.HandlerFunc
}

// StartRPC serves until the test ends.
func StartRPC(t testing.TB, name string) *RPC {
	t.Helper()
	r := &RPC{Name: name}
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Stop)
	return r
}

// Addr is "host:port".
func (r *RPC) Addr() string { return strings.TrimPrefix(r.server.URL, "http://") }

// Stop ends it, as a crash would.
func (r *RPC) Stop() {
	r.CloseSockets()
	r.server.CloseClientConnections()
	r.server.Close()
}

// CloseSockets cuts the WebSockets without a word.
func (r *RPC) CloseSockets() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.sockets {
		_ = c.CloseNow()
	}
	r.sockets = nil
}

// Handle replaces what HTTP requests get.
func (r *RPC) Handle(h http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handler = h
}

// Got are the bodies and headers that came over HTTP.
func (r *RPC) Got() (bodies []string, headers []http.Header) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.bodies...), append([]http.Header(nil), r.headers...)
}

func (r *RPC) serve(w http.ResponseWriter, req *http.Request) {
	if req.Header.Get("Upgrade") != "" {
		r.echo(w, req)
		return
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	r.bodies = append(r.bodies, string(body))
	r.headers = append(r.headers, req.Header)
	custom := r.handler
	r.mu.Unlock()
	if custom != nil {
		req.Body = io.NopCloser(bytes.NewReader(body))
		custom(w, req)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+IDOf(body)+`,"result":"`+r.Name+`"}`)
}

// IDOf is the id of a call; that of anything else is 1.
func IDOf(call []byte) string {
	var c struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(call, &c) != nil || c.ID == nil {
		return "1"
	}
	return string(c.ID)
}

func (r *RPC) echo(w http.ResponseWriter, req *http.Request) {
	c, err := websocket.Accept(w, req, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(-1)
	r.mu.Lock()
	r.sockets = append(r.sockets, c)
	r.mu.Unlock()
	ctx := context.WithoutCancel(req.Context())
	for {
		kind, m, err := c.Read(ctx)
		if err != nil {
			return
		}
		if string(m) == "close" {
			_ = c.Close(websocket.StatusPolicyViolation, "as asked")
			return
		}
		if err := c.Write(ctx, kind, append([]byte(r.Name+":"), m...)); err != nil {
			return
		}
	}
}
