package sequencer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"blindseq/kit/config"
	"blindseq/kit/content"
	"blindseq/kit/grpckit"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testConfig(t *testing.T, dir string) Config {
	t.Helper()
	var cfg Config
	if err := config.Defaults(&cfg); err != nil {
		t.Fatal(err)
	}
	cfg.GRPCAddress, cfg.RPCAddress, cfg.HTTPAddress, cfg.DataDir = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", dir
	return cfg
}

// node is a running sequencer and a client of it.
type node struct {
	dsnv1.SequencerServiceClient
	rpc, http string
	stop      func()
}

func start(t *testing.T, cfg Config) *node {
	t.Helper()
	s, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	grpc, rpc, http := s.Addresses()
	conn, err := grpckit.Dial(grpc, config.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{SequencerServiceClient: dsnv1.NewSequencerServiceClient(conn), rpc: rpc, http: http}
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
		_ = conn.Close()
	}
	t.Cleanup(n.stop)
	return n
}

func request(number uint64, variant byte) *dsnv1.SubmitProposalRequest {
	return &dsnv1.SubmitProposalRequest{
		Content: &preblockv1.Content{
			Number:            number,
			PreviousBlockHash: bytes.Repeat([]byte{byte(number)}, 32),
			Timestamp:         timestamppb.New(time.Unix(1_000_000_000, 0)),
			Transactions:      [][]byte{{variant}},
		},
		RequestId: fmt.Sprintf("r%d-%d", number, variant),
		Attempt:   1,
	}
}

func (n *node) submit(t *testing.T, r *dsnv1.SubmitProposalRequest) *dsnv1.SubmitProposalResponse {
	t.Helper()
	res, err := n.SubmitProposal(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func requireCode(t *testing.T, what string, err error, want codes.Code) {
	t.Helper()
	if status.Code(err) != want {
		t.Errorf("%s: got %v, want %s", what, err, want)
	}
}

func TestSubmittedProposalIsServedAsItsPreblock(t *testing.T) {
	n := start(t, testConfig(t, t.TempDir()))
	r := request(1, 0)
	hash := content.HashOf(r.Content)
	first := n.submit(t, r)
	if !bytes.Equal(first.ContentHash, hash[:]) || first.RequestId != r.RequestId {
		t.Fatalf("answer %v", first)
	}
	if again := n.submit(t, request(1, 5)); !proto.Equal(first, again) {
		t.Fatalf("another content was answered with %v", again)
	}
	got, err := n.GetPreblock(t.Context(), &dsnv1.GetPreblockRequest{Number: 1})
	want := &preblockv1.Preblock{Content: r.Content, ContentHash: hash[:], RequestId: r.RequestId, Attempt: 1}
	if err != nil || !proto.Equal(got.GetPreblock(), want) {
		t.Fatalf("got %v, %v", got, err)
	}
	s, err := n.GetStatus(t.Context(), &dsnv1.GetStatusRequest{})
	if err != nil || s.LastNumber != 1 {
		t.Fatalf("status %v, %v", s, err)
	}
}

func TestRefusalsHaveTheirCodes(t *testing.T) {
	n := start(t, testConfig(t, t.TempDir()))
	n.submit(t, request(1, 0))
	with := func(change func(*dsnv1.SubmitProposalRequest)) *dsnv1.SubmitProposalRequest {
		r := request(2, 0)
		change(r)
		return r
	}
	for name, c := range map[string]struct {
		r    *dsnv1.SubmitProposalRequest
		want codes.Code
	}{
		"nothing":        {&dsnv1.SubmitProposalRequest{}, codes.InvalidArgument},
		"number 0":       {request(0, 0), codes.InvalidArgument},
		"a short hash":   {with(func(r *dsnv1.SubmitProposalRequest) { r.Content.DelayedTransactionHashes = [][]byte{{1}} }), codes.InvalidArgument},
		"bad request id": {with(func(r *dsnv1.SubmitProposalRequest) { r.RequestId = strings.Repeat("x", 129) }), codes.InvalidArgument},
		"a number ahead": {request(3, 0), codes.FailedPrecondition},
		"too large":      {with(func(r *dsnv1.SubmitProposalRequest) { r.Content.Transactions = [][]byte{make([]byte, 600_000)} }), codes.ResourceExhausted},
		"over a message": {with(func(r *dsnv1.SubmitProposalRequest) { r.Content.Transactions = [][]byte{make([]byte, 17<<20)} }), codes.ResourceExhausted},
	} {
		_, err := n.SubmitProposal(t.Context(), c.r)
		requireCode(t, name, err, c.want)
	}
	_, err := n.GetPreblock(t.Context(), &dsnv1.GetPreblockRequest{Number: 2})
	requireCode(t, "preblock 2", err, codes.NotFound)
	_, err = n.GetPreblock(t.Context(), &dsnv1.GetPreblockRequest{})
	requireCode(t, "preblock 0", err, codes.InvalidArgument)
	stream, err := n.StreamPreblocks(t.Context(), &dsnv1.StreamPreblocksRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	requireCode(t, "stream from 0", err, codes.InvalidArgument)
}

// receive takes preblocks from a stream and checks their numbers.
func receive(t *testing.T, s dsnv1.SequencerService_StreamPreblocksClient, from, to uint64) {
	t.Helper()
	for want := from; want <= to; want++ {
		res, err := s.Recv()
		if err != nil || res.Preblock.Content.Number != want {
			t.Fatalf("got %v, %v, want %d", res, err, want)
		}
	}
}

func (n *node) stream(t *testing.T, from uint64) (dsnv1.SequencerService_StreamPreblocksClient, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	s, err := n.StreamPreblocks(ctx, &dsnv1.StreamPreblocksRequest{FromNumber: from})
	if err != nil {
		t.Fatal(err)
	}
	return s, cancel
}

func TestStreamGoesFromTheLogToLiveAndResumesAfterARestart(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	n := start(t, cfg)
	for i := uint64(1); i <= 10; i++ {
		n.submit(t, request(i, 0))
	}
	s, cancel := n.stream(t, 4)
	receive(t, s, 4, 10)
	n.submit(t, request(11, 0))
	receive(t, s, 11, 11)
	cancel()
	n.stop()

	n = start(t, cfg)
	s, _ = n.stream(t, 12)
	n.submit(t, request(12, 0))
	receive(t, s, 12, 12)
}

func TestSlowStreamMissesNothing(t *testing.T) {
	n := start(t, testConfig(t, t.TempDir()))
	const last = 20
	slow, _ := n.stream(t, 1)
	quick, _ := n.stream(t, 1)
	for i := uint64(1); i <= last; i++ {
		r := request(i, 0)
		r.Content.Transactions = [][]byte{make([]byte, 400_000)} // beyond what flow control buffers
		n.submit(t, r)
		receive(t, quick, i, i)
	}
	receive(t, slow, 1, last)
}

func TestShutdownEndsStreamsAndLeavesNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	n := start(t, testConfig(t, t.TempDir()))
	s, _ := n.stream(t, 1)
	n.submit(t, request(1, 0))
	receive(t, s, 1, 1)
	n.stop()
	_, err := s.Recv()
	requireCode(t, "stream", err, codes.Unavailable)
}

func TestSubscribersOverTheLimitAreRefused(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.MaxSubscribers = 1
	n := start(t, cfg)
	n.submit(t, request(1, 0))
	s, _ := n.stream(t, 1)
	receive(t, s, 1, 1)
	second, _ := n.stream(t, 1)
	_, err := second.Recv()
	requireCode(t, "second stream", err, codes.ResourceExhausted)
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() // read to its end
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestBothProtocolsSpeakOverOneCoreAndItsMetrics(t *testing.T) {
	n := start(t, testConfig(t, t.TempDir()))
	s, _ := n.stream(t, 1)
	res, err := http.Post("http://"+n.rpc+"/proposal", "application/json", strings.NewReader(
		`{"transactions":[],"delayed_transaction_hashes":[],"previous_block_hash":"0x`+strings.Repeat("f", 64)+
			`","timestamp":"2001-09-09T01:46:40Z","current_blueprint_number":"0x1"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", res.StatusCode, err)
	}
	receive(t, s, 1, 1)
	if a := n.submit(t, request(1, 0)); a.RequestId != "" {
		t.Fatalf("answer %v", a)
	}
	n.submit(t, request(2, 0))
	n.submit(t, request(2, 0))
	if _, err := n.SubmitProposal(t.Context(), request(9, 0)); err == nil {
		t.Fatal("proposal 9 accepted")
	}
	shown := get(t, "http://"+n.http+"/metrics")
	for _, want := range []string{
		`blindseq_dsn_proposals_total{result="accepted"} 2`,
		`blindseq_dsn_proposals_total{result="repeated"} 1`,
		`blindseq_dsn_proposals_total{result="conflicting"} 1`,
		`blindseq_dsn_proposals_total{result="not_next"} 1`,
		`blindseq_dsn_last_number 2`,
		`blindseq_dsn_subscribers 1`,
		`blindseq_dsn_log_append_seconds_count 2`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if ready := get(t, "http://"+n.http+"/readyz"); !strings.Contains(ready, `"ok"`) {
		t.Errorf("readyz: %s", ready)
	}
}

func TestAddressInUseLeavesNothingOpen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() // held for the test
	dir := t.TempDir()
	for _, set := range []func(*Config){
		func(c *Config) { c.RPCAddress = taken.Addr().String() },
		func(c *Config) { c.GRPCAddress = taken.Addr().String() },
		func(c *Config) { c.HTTPAddress = taken.Addr().String() },
	} {
		cfg := testConfig(t, dir)
		set(&cfg)
		var opErr *net.OpError
		if err := Run(t.Context(), cfg, slog.New(slog.DiscardHandler)); !errors.As(err, &opErr) {
			t.Errorf("run: %v", err)
		}
	}
	start(t, testConfig(t, dir)) // the log is free again
}
