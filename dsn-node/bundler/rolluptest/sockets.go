package rolluptest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/coder/websocket"
)

// sockets has the observer keep subscriptions over WebSocket: all have the id 0x1, but for those to transactions, which are numbered on
// each socket. They show what a test pushes.
func (r *Rollup) sockets(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Upgrade") == "" {
			next.ServeHTTP(w, req)
			return
		}
		conn, err := websocket.Accept(w, req, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		r.set(func() { r.open = append(r.open, conn) })
		for followed := 0; ; {
			_, message, err := conn.Read(req.Context())
			if err != nil {
				return
			}
			r.set(func() { r.observed = append(r.observed, string(message)) })
			var call request
			if json.Unmarshal(message, &call) != nil {
				return
			}
			id := "0x1"
			if call.Method == "te_subscribe" {
				followed++
				id = fmt.Sprintf("0x%x", followed)
			}
			answered := answer(call, func(request) (any, *Error) { return id, nil })
			if conn.Write(req.Context(), websocket.MessageText, answered) != nil {
				return
			}
		}
	})
}

// Push sends a message over all WebSockets of the observer.
func (r *Rollup) Push(message string) {
	r.mu.Lock()
	open := slices.Clone(r.open)
	r.mu.Unlock()
	for _, conn := range open {
		_ = conn.Write(r.t.Context(), websocket.MessageText, []byte(message)) // its client may have gone
	}
}

// Hang closes all WebSockets of the observer.
func (r *Rollup) Hang() {
	r.mu.Lock()
	open := slices.Clone(r.open)
	r.mu.Unlock()
	for _, conn := range open {
		_ = conn.CloseNow()
	}
}
