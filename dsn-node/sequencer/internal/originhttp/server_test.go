package originhttp

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"

	"blindseq/dsn-node/internal/ordered"
	"blindseq/dsn-node/sequencer/internal/core"
	"blindseq/dsn-node/sequencer/origintest"
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
		Dir: t.TempDir(), First: 1, Rules: ordered.Keyless{}, MaxContentBytes: content.MaxBlueprintBytes, MaxSubscribers: maxSubscribers, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewServer(t.Context(), Options{Address: "127.0.0.1:0", Refused: func() {}, Core: c, MaxContentBytes: content.MaxBlueprintBytes, Log: log})
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

// reply is an answer as a client of the origin sees it.
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
	defer res.Body.Close() // read to its end
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
	n.requireRefused(t, "sealed, and there are no keyholders", edited(t, "f86c80aa", "5e6c80aa"), 400, "Bad request")
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

func TestTheProtocolIsTheOrigins(t *testing.T) {
	origintest.Conform(t, start(t, 10).addr)
}

func TestLargePreblockIsOneChunk(t *testing.T) {
	n := start(t, 10)
	_, r := origintest.Monitor(t, n.addr)
	body := edited(t, "f86c80aa", strings.Repeat("ab", 400_000))
	if got := n.do(t, http.MethodPost, "/proposal", body); got.status != 200 {
		t.Fatalf("%+v", got)
	}
	if got := origintest.Chunk(t, r); got != strings.Replace(body, `"1"}`, `"0x1"}`, 1) {
		t.Fatalf("a chunk of %d bytes, sent %d", len(got), len(body))
	}
}

func TestSlowMonitorHoldsUpNobodyAndMissesNothing(t *testing.T) {
	n := start(t, 10)
	_, slow := origintest.Monitor(t, n.addr)
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
	origintest.Monitor(t, n.addr)
	if got := n.do(t, http.MethodGet, "/monitor/preblocks", ""); got.status != 500 || got.body != "Internal server error" || got.reason == "" {
		t.Fatalf("%+v", got)
	}
}

func TestShutdownEndsStreamsCleanly(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	n := start(t, 10)
	_, r := origintest.Monitor(t, n.addr)
	n.propose(t, 1)
	origintest.Chunk(t, r)
	n.stop()
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "0\r\n\r\n" {
		t.Fatalf("the stream ended with %q, %v", rest, err)
	}
}
