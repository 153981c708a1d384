// Package origintest is the integration test of the origin's HTTP protocol, against whatever serves it: a handler in the
// test's process or a sequencer of its own.
package origintest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Vector is the proposal of the origin's integration test, as the rollup node writes it.
var Vector = `{"transactions":["f86c80aa"],"delayed_transaction_hashes":["0x` + strings.Repeat("04", 32) +
	`"],"previous_block_hash":"0x` + strings.Repeat("07", 32) +
	`","timestamp":"2001-09-09T01:46:40Z","current_blueprint_number":"1"}`

// patience is how long anything may take.
const patience = 30 * time.Second

// Conform fails the test for everything in which the server at address (host:port), whose next number is 1, differs from
// the origin's.
func Conform(t *testing.T, address string) {
	t.Helper()
	otherRoutes(t, address)
	for name, body := range map[string]string{
		"no JSON": "{", "no object": "[]", "a field missing": edit(t, `"timestamp":"2001-09-09T01:46:40Z",`, ""),
		"a number as JSON number": edit(t, `"1"}`, `1}`), "a parent without 0x": edit(t, `"0x07`, `"07`), "a transaction with 0x": edit(t, "f86c80aa", "0xf86c80aa"),
	} {
		refused(t, address, name, body, http.StatusBadRequest, "Bad request")
	}
	refused(t, address, "a number skipped", numbered(t, "2"), http.StatusInternalServerError, "Internal server error")

	res, preblocks := Monitor(t, address)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/json" || len(res.TransferEncoding) != 1 || res.TransferEncoding[0] != "chunked" {
		t.Errorf("the stream's head: %+v", res)
	}
	propose(t, address, Vector)
	requireChunk(t, preblocks, "0x1")
	propose(t, address, Vector) // again is a success, and is not streamed again
	refused(t, address, "another content", edit(t, "f86c80aa", "f86c80ab"), http.StatusInternalServerError, "Internal server error")
	_, later := Monitor(t, address)
	for _, number := range []string{"0x2", "0x3"} { // the rollup node proposes the next when it has seen this one
		propose(t, address, numbered(t, number))
		requireChunk(t, preblocks, number)
		requireChunk(t, later, number) // it sees what comes later, and that alone
	}
}

func edit(t *testing.T, from, to string) string {
	t.Helper()
	if !strings.Contains(Vector, from) {
		t.Fatalf("the vector has no %s", from)
	}
	return strings.Replace(Vector, from, to, 1)
}

func numbered(t *testing.T, number string) string {
	t.Helper()
	return edit(t, `"1"}`, `"`+number+`"}`)
}

func otherRoutes(t *testing.T, address string) {
	t.Helper()
	for _, r := range [][2]string{
		{"GET", "/"}, {"GET", "/proposal"}, {"PUT", "/proposal"}, {"POST", "/proposal/"}, {"POST", "//proposal"},
		{"POST", "/x/../proposal"}, {"POST", "/%70roposal"}, {"POST", "/monitor/preblocks"}, {"GET", "/monitor/preblocks/"}, {"GET", "/monitor"},
	} {
		if status, body, kind := do(t, r[0], address, r[1], ""); status != http.StatusNotFound || body != "not found" || kind != "" {
			t.Errorf("%s %s: %d %q of type %q", r[0], r[1], status, body, kind)
		}
	}
}

func refused(t *testing.T, address, name, body string, wantStatus int, want string) {
	t.Helper()
	if status, text, kind := do(t, http.MethodPost, address, "/proposal", body); status != wantStatus || text != want || kind != "" {
		t.Errorf("%s: %d %q of type %q", name, status, text, kind)
	}
}

func propose(t *testing.T, address, body string) {
	t.Helper()
	if status, text, kind := do(t, http.MethodPost, address, "/proposal", body); status != http.StatusOK || text != "null" || kind != "application/json" {
		t.Fatalf("proposal %s: %d %q of type %q", body, status, text, kind)
	}
}

// do makes one call on a connection of its own; nothing is cleaned or redirected on the way.
func do(t *testing.T, method, address, path, body string) (status int, text, contentType string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: patience,
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() // read to its end
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header.Get("Content-Type")
}

// Monitor opens the stream on a connection of its own and reads the head of the answer. The body is raw: chunks.
func Monitor(t *testing.T, address string) (*http.Response, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /monitor/preblocks HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	var head strings.Builder
	r := bufio.NewReader(conn)
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		head.WriteString(line)
	}
	res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(head.String())), nil)
	if err != nil {
		t.Fatal(err)
	}
	return res, r
}

// requireChunk reads one chunk, which must be the vector with a number.
func requireChunk(t *testing.T, r *bufio.Reader, number string) {
	t.Helper()
	if got, want := Chunk(t, r), numbered(t, number); got != want {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
}

// Chunk reads one HTTP chunk.
func Chunk(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	var size int
	if _, err := fmt.Fscanf(r, "%x\r\n", &size); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size+2)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	return string(b[:size])
}
