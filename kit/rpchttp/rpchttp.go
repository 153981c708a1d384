// Package rpchttp is what every door of JSON-RPC over HTTP does in the same way: which web pages may call, what a request must be
// before its body is read, and answers in gzip.
//
// Status codes and headers are geth's, because libraries know them. Where geth answers with text or nothing, the body is a JSON-RPC error.
// It asks of callers: Check a request before its body is read, and take neither streams nor WebSockets through Compressed.
package rpchttp

import (
	"net/http"

	"blindseq/kit/jsonrpc"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
	"github.com/rs/cors"
)

// Pages says which web pages may call: those of some origins, * for any. As with geth they may send any header.
func Pages(origins []string) *cors.Cors {
	return cors.New(cors.Options{
		AllowedOrigins: origins, AllowedMethods: []string{http.MethodPost, http.MethodGet}, AllowedHeaders: []string{"*"}, MaxAge: 600,
	})
}

// Check says whether a request may hold JSON-RPC. It answers one that may not, and one that only asks whether somebody is here, as load
// balancers do.
func Check(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case r.Method == http.MethodPost && jsonrpc.IsJSON(r.Header):
		return true
	case r.Method == http.MethodPost:
		refuse(w, http.StatusUnsupportedMediaType, "invalid content type, only application/json is supported")
	case r.Method == http.MethodOptions, (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.ContentLength == 0 && r.URL.RawQuery == "":
		w.Header().Set("Allow", allowed)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("JSON-RPC: POST here, or open a WebSocket.\n")) // for a person; the client may have gone
	default:
		w.Header().Set("Allow", allowed)
		refuse(w, http.StatusMethodNotAllowed, "method not allowed")
	}
	return false
}

// Elsewhere answers a request to another path than that of JSON-RPC.
func Elsewhere(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ws" {
		w.Header().Set("Upgrade", "websocket")
		refuse(w, http.StatusUpgradeRequired, "/ws speaks WebSocket only; POST to / instead")
		return
	}
	refuse(w, http.StatusNotFound, "nothing is served here: JSON-RPC is at / and /ws")
}

const allowed = "POST, GET, OPTIONS"

func refuse(w http.ResponseWriter, status int, message string) {
	jsonrpc.Write(w, status, jsonrpc.Failure(nil, jsonrpc.Error{Code: jsonrpc.InvalidRequest, Message: message}))
}

// minCompressed is the size in bytes from which an answer is compressed. Below, it fits into one packet either way.
const minCompressed = 1 << 10

// compress keeps no memory for an answer while its client reads it: one that reads slowly holds nothing. Its output is a tenth larger than
// that of the fastest level, which would hold 800 KiB for each.
var compress = func() func(http.Handler) http.HandlerFunc {
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(minCompressed), gzhttp.CompressionLevel(gzip.StatelessCompression),
		gzhttp.ContentTypes([]string{"application/json"}), gzhttp.EnableZstd(false))
	if err != nil {
		panic(err) // never: the options are constants
	}
	return wrap
}()

// Compressed has next's answers compressed for clients that ask for it.
func Compressed(next http.Handler) http.Handler {
	compressing := compress(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") == "" {
			w.Header().Add("Vary", "Accept-Encoding")
			next.ServeHTTP(w, r)
			return
		}
		compressing(w, r)
	})
}
