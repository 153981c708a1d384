package replicate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"blindseq/kit/certs/certstest"
	"blindseq/kit/config"
	"blindseq/kit/grpckit"
	"blindseq/producer-svc/internal/txstore"
	replicationv1 "blindseq/proto/blindseq/replication/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// stored is a leader's store with transactions up to a position.
type stored uint64

func (s stored) After(uint64, int, int) ([]txstore.Change, uint64, bool, error) {
	return nil, uint64(s), true, nil
}
func (s stored) Position() (uint64, <-chan struct{}) { return uint64(s), nil }

var theirs = &replicationv1.Hello{ChainId: 7, GenesisHash: []byte("genesis"), SequencerKey: []byte("the key to claim"), CommitteeHash: []byte("the committee to claim")}

// serve serves a leader whose store has 5 positions.
func serve(t *testing.T, h *Standbys, tls config.TLS) string {
	t.Helper()
	server, err := grpckit.NewServer(grpckit.ServerConfig{
		Address: "127.0.0.1:0", TLS: tls, Log: slog.New(slog.DiscardHandler),
		Errors: map[error]codes.Code{ErrStranger: codes.FailedPrecondition, ErrBadRequest: codes.InvalidArgument, ErrNotLeading: codes.Unavailable},
	})
	if err != nil {
		t.Fatal(err)
	}
	replicationv1.RegisterReplicationServiceServer(server.Registrar(), &Server{
		Standbys: h, Store: stored(5), Hello: theirs, Log: slog.New(slog.DiscardHandler),
		Token: func() uint64 { return 0 }, Locked: func() (bool, string) { return false, "" },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return server.Addr()
}

// standby opens a stream with a Hello, and returns it after the first answer.
func standby(t *testing.T, address string, tls config.TLS, hello *replicationv1.Hello) (replicationv1.ReplicationService_ReplicateClient, error) {
	t.Helper()
	conn, err := grpckit.Dial(address, tls)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	stream, err := replicationv1.NewReplicationServiceClient(conn).Replicate(t.Context())
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&replicationv1.ReplicateRequest{Message: &replicationv1.ReplicateRequest_Hello{Hello: hello}}); err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	return stream, err
}

func as(replica string) *replicationv1.Hello {
	return &replicationv1.Hello{Replica: replica, ChainId: theirs.ChainId, GenesisHash: theirs.GenesisHash, SequencerKey: theirs.SequencerKey, CommitteeHash: theirs.CommitteeHash}
}

// TestAStandbyThatClaimsMoreThanItWasSentConfirmsNothing: it would satisfy --ack-replicas for all that comes.
func TestAStandbyThatClaimsMoreThanItWasSentConfirmsNothing(t *testing.T) {
	h, _, _ := newHub(t, Policy{Replicas: 1, Timeout: 10 * soon})
	stream, err := standby(t, serve(t, h, config.TLS{}), config.TLS{}, as("stranger:1"))
	if err != nil {
		t.Fatal(err)
	}
	durable := func(position uint64) *replicationv1.ReplicateRequest {
		return &replicationv1.ReplicateRequest{Message: &replicationv1.ReplicateRequest_Durable{Durable: &replicationv1.Durable{Position: position}}}
	}
	if err := stream.Send(durable(5)); err != nil {
		t.Fatal(err)
	}
	if err := h.Confirm(5); err != nil {
		t.Errorf("what it was sent: %v", err)
	}
	if err := stream.Send(durable(math.MaxUint64)); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(5 * time.Second); err == nil && time.Now().Before(until); {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("the stream ended with %v", err)
	}
	if err := h.Confirm(6); !errors.Is(err, ErrUnreplicated) {
		t.Errorf("what it was never sent is confirmed: %v", err)
	}
}

// TestARefusalDoesNotSayWhatToClaim: a stranger would try again with it.
func TestARefusalDoesNotSayWhatToClaim(t *testing.T) {
	h, _, _ := newHub(t, Policy{})
	address := serve(t, h, config.TLS{})
	for name, one := range map[string]struct {
		change func(*replicationv1.Hello)
		secret string
	}{
		"chain":     {func(h *replicationv1.Hello) { h.ChainId = 1 }, "chain 7"},
		"genesis":   {func(h *replicationv1.Hello) { h.GenesisHash = nil }, fmt.Sprintf("%x", theirs.GenesisHash)},
		"key":       {func(h *replicationv1.Hello) { h.SequencerKey = nil }, fmt.Sprintf("%x", theirs.SequencerKey)},
		"committee": {func(h *replicationv1.Hello) { h.CommitteeHash = nil }, fmt.Sprintf("%x", theirs.CommitteeHash)},
	} {
		hello := as("stranger:1")
		one.change(hello)
		_, err := standby(t, address, config.TLS{}, hello)
		if status.Code(err) != codes.FailedPrecondition {
			t.Errorf("another %s: %v", name, err)
			continue
		}
		if strings.Contains(err.Error(), one.secret) {
			t.Errorf("another %s: the refusal says what would have been right: %v", name, err)
		}
	}
}

// TestAStandbyClaimsOnlyTheNameOfItsCertificate: with one certificate nobody counts as several standbys, or ends another's stream.
func TestAStandbyClaimsOnlyTheNameOfItsCertificate(t *testing.T) {
	a, err := certstest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	tls, err := a.Write(t.TempDir(), "producer-svc", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	h, _, _ := newHub(t, Policy{})
	address := serve(t, h, tls)
	for replica, want := range map[string]codes.Code{"127.0.0.1:7103": codes.OK, "localhost": codes.OK, "producer-svc-1:7103": codes.FailedPrecondition, "127.0.0.2:7103": codes.FailedPrecondition} {
		if _, err := standby(t, address, tls, as(replica)); status.Code(err) != want {
			t.Errorf("it claims to be %s: %v, want %s", replica, err, want)
		}
	}
}
