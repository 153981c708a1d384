package rpchttp

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"blindseq/kit/jsonrpc"
)

func answering(body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { jsonrpc.Write(w, http.StatusOK, []byte(body)) })
}

// get asks a handler over a connection; encoding is the header Accept-Encoding.
func get(t *testing.T, h http.Handler, encoding string) (*http.Response, []byte, error) {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	if encoding != "" {
		r.Header.Set("Accept-Encoding", encoding)
	}
	res, err := client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, body, err
}

func unpacked(t *testing.T, packed []byte) string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestLongAnswersAreCompressedForWhoeverAsks(t *testing.T) {
	long, short := `"`+strings.Repeat("0123456789abcdef", 10_000)+`"`, `"0x1"`
	for _, c := range []struct {
		what, body, asks string
		packed           bool
	}{
		{"long", long, "gzip", true},
		{"long, as browsers ask", long, "gzip, deflate, br, zstd", true},
		{"long, not asked", long, "", false},
		{"long, refused", long, "gzip;q=0, deflate", false},
		{"long, another one", long, "br", false},
		{"short", short, "gzip", false},
	} {
		res, body, err := get(t, Compressed(answering(c.body)), c.asks)
		if err != nil {
			t.Fatal(err)
		}
		packed := res.Header.Get("Content-Encoding") == "gzip"
		if packed {
			if len(body) > len(c.body)/5 {
				t.Errorf("%s: %d bytes of %d are left", c.what, len(body), len(c.body))
			}
			body = []byte(unpacked(t, body))
		}
		if packed != c.packed || string(body) != c.body || res.Header.Get("Content-Type") != "application/json" || res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: packed %v, %d bytes, header %v", c.what, packed, len(body), res.Header)
		}
	}
}

func TestHalfAnAnswerIsNotTakenForAWholeOne(t *testing.T) {
	part := make([]byte, 1<<20)
	if _, err := rand.Read(part); err != nil { // so that much of it is sent
		t.Fatal(err)
	}
	half := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(part)
		panic(http.ErrAbortHandler)
	})
	if _, body, err := get(t, Compressed(half), "gzip"); err == nil {
		t.Errorf("%d bytes are taken for all", len(body))
	}
}

// A client that does not ask for compression costs the header Vary, and nothing else.
func BenchmarkNotAsked(b *testing.B) {
	plain := answering(`"` + strings.Repeat("0123456789abcdef", 1_000) + `"`)
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	for name, h := range map[string]http.Handler{"plain": plain, "compressed": Compressed(plain)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
}
