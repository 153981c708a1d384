package upstream

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"

	"blindseq/dsn-node/internal/core"
	"blindseq/kit/content"

	"go.uber.org/goleak"
)

// node is a running server of the protocol over a core on disk.
type node struct {
	core *core.Core
	addr string
	stop func()
}

func start(t *testing.T, maxSubscribers int) *node {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	c, err := core.Open(t.Context(), core.Options{
		Dir: t.TempDir(), First: 1, MaxContentBytes: content.MaxBlueprintBytes, MaxSubscribers: maxSubscribers, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewServer(t.Context(), Options{Address: "127.0.0.1:0", Core: c, MaxContentBytes: content.MaxBlueprintBytes, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	n := &node{core: c, addr: s.Addr()}
	stopped := false
	n.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	t.Cleanup(n.stop)
	return n
}

// reply is an answer as a client of upstream sees it.
type reply struct {
	status      int
	body        string
	contentType []string
	reason      string
}

func (n *node) do(t *testing.T, method, path, body string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+n.addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, string(b), res.Header["Content-Type"], res.Header.Get(errorHeader)}
}

func (n *node) requireRefused(t *testing.T, name, body string, status int, text string) {
	t.Helper()
	got := n.do(t, http.MethodPost, "/proposal", body)
	if got.status != status || got.body != text || got.contentType != nil || got.reason == "" || len(got.reason) > maxReason {
		t.Errorf("%s: %+v", name, got)
	}
}

func numbered(t *testing.T, number int) string {
	return edited(t, `"1"}`, fmt.Sprintf(`"%d"}`, number))
}

func (n *node) propose(t *testing.T, number int) {
	t.Helper()
	got := n.do(t, http.MethodPost, "/proposal", numbered(t, number))
	if got.status != 200 || got.body != "null" || len(got.contentType) != 1 || got.contentType[0] != "application/json" {
		t.Fatalf("proposal %d: %+v", number, got)
	}
}

func TestProposalIsAcceptedWithoutRequestID(t *testing.T) {
	n := start(t, 10)
	n.propose(t, 1)
	p, err := n.core.Preblock(1)
	if err != nil || p.RequestId != "" || p.Attempt != 0 || p.Content.Timestamp.Seconds != 1_000_000_000 {
		t.Fatalf("%v, %v", p, err)
	}
	n.propose(t, 1) // again
	n.propose(t, 2)
}

func TestBadProposalsAreBadRequests(t *testing.T) {
	n := start(t, 10)
	for name, body := range badBodies(t) {
		n.requireRefused(t, name, body, 400, "Bad request")
	}
	for name, body := range badContents(t) {
		n.requireRefused(t, name, body, 400, "Bad request")
	}
	n.requireRefused(t, "too large for a blueprint", edited(t, "f86c80aa", strings.Repeat("00", content.MaxBlueprintBytes)), 400, "Bad request")
	n.requireRefused(t, "too large a body", edited(t, "{", "{"+strings.Repeat(" ", int(bodyLimit(content.MaxBlueprintBytes)))), 400, "Bad request")
	n.requireRefused(t, "a long word", edited(t, `"1"}`, `"`+strings.Repeat("9\u00e9", 5000)+`"}`), 400, "Bad request")
	if n.core.Last() != 0 {
		t.Fatalf("something was accepted: last is %d", n.core.Last())
	}
	n.propose(t, 1)
}

func TestProposalsThatCannotBeTakenAreServerErrors(t *testing.T) {
	n := start(t, 10)
	n.requireRefused(t, "a number skipped", numbered(t, 2), 500, "Internal server error")
	n.propose(t, 1)
	n.requireRefused(t, "another content", edited(t, "f86c80aa", "f86c80ab"), 500, "Internal server error")
	if n.core.Last() != 1 {
		t.Fatalf("last is %d", n.core.Last())
	}
}

func TestOtherRoutesAreNotFound(t *testing.T) {
	n := start(t, 10)
	for _, r := range [][2]string{
		{"GET", "/"}, {"GET", "/proposal"}, {"PUT", "/proposal"}, {"POST", "/proposal/"}, {"POST", "//proposal"},
		{"POST", "/x/../proposal"}, {"POST", "/%70roposal"}, {"POST", "/monitor/preblocks"}, {"GET", "/monitor/preblocks/"}, {"GET", "/monitor"},
	} {
		if got := n.do(t, r[0], r[1], ""); got.status != 404 || got.body != "not found" || got.contentType != nil {
			t.Errorf("%s %s: %+v", r[0], r[1], got)
		}
	}
}

// monitor opens the stream on a connection of its own and reads the head of the answer. The body is raw: chunks.
func (n *node) monitor(t *testing.T) (*http.Response, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", n.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "GET /monitor/preblocks HTTP/1.1\r\nHost: dsn\r\nAccept: application/json\r\n\r\n"); err != nil {
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

// chunk reads one HTTP chunk.
func chunk(t *testing.T, r *bufio.Reader) string {
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

func TestMonitorSendsOnePreblockInOneChunkFromNowOn(t *testing.T) {
	n := start(t, 10)
	n.propose(t, 1)
	res, r := n.monitor(t)
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/json" || len(res.TransferEncoding) != 1 || res.TransferEncoding[0] != "chunked" {
		t.Fatalf("head: %+v", res)
	}
	n.propose(t, 2)
	n.propose(t, 3)
	for _, number := range []string{"0x2", "0x3"} {
		if got, want := chunk(t, r), edited(t, `"1"}`, `"`+number+`"}`); got != want {
			t.Fatalf("got  %q\nwant %q", got, want)
		}
	}
}

func TestLargePreblockIsOneChunk(t *testing.T) {
	n := start(t, 10)
	_, r := n.monitor(t)
	body := edited(t, "f86c80aa", strings.Repeat("ab", 400_000))
	if got := n.do(t, http.MethodPost, "/proposal", body); got.status != 200 {
		t.Fatalf("%+v", got)
	}
	if got := chunk(t, r); got != strings.Replace(body, `"1"}`, `"0x1"}`, 1) {
		t.Fatalf("a chunk of %d bytes, sent %d", len(got), len(body))
	}
}

func TestSlowMonitorHoldsUpNobodyAndMissesNothing(t *testing.T) {
	n := start(t, 10)
	_, slow := n.monitor(t)
	const last = 30
	body := edited(t, "f86c80aa", strings.Repeat("ab", 200_000)) // beyond what the sockets buffer
	for i := 1; i <= last; i++ {
		if got := n.do(t, http.MethodPost, "/proposal", strings.Replace(body, `"1"}`, fmt.Sprintf(`"%d"}`, i), 1)); got.status != 200 {
			t.Fatalf("%+v", got)
		}
	}
	d := json.NewDecoder(httputil.NewChunkedReader(slow))
	for i := 1; i <= last; i++ {
		var got struct {
			Number string `json:"current_blueprint_number"`
		}
		if err := d.Decode(&got); err != nil || got.Number != fmt.Sprintf("0x%x", i) {
			t.Fatalf("got %q, %v", got.Number, err)
		}
	}
}

func TestMonitorsAreLimited(t *testing.T) {
	n := start(t, 1)
	n.monitor(t)
	if got := n.do(t, http.MethodGet, "/monitor/preblocks", ""); got.status != 500 || got.body != "Internal server error" || got.reason == "" {
		t.Fatalf("%+v", got)
	}
}

func TestShutdownEndsStreamsCleanly(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	n := start(t, 10)
	_, r := n.monitor(t)
	n.propose(t, 1)
	chunk(t, r)
	n.stop()
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "0\r\n\r\n" {
		t.Fatalf("the stream ended with %q, %v", rest, err)
	}
}
