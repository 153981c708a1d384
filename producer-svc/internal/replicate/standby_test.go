package replicate

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"blindseq/producer-svc/internal/txstore"
	replicationv1 "blindseq/proto/blindseq/replication/v1"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// leading is a leader that sends one message, or one error.
type leading struct {
	replicationv1.ReplicationServiceClient
	replicationv1.ReplicationService_ReplicateClient
	message *replicationv1.ReplicateResponse
	err     error
}

func (l leading) Replicate(context.Context, ...grpc.CallOption) (replicationv1.ReplicationService_ReplicateClient, error) {
	return l, nil
}
func (leading) Send(*replicationv1.ReplicateRequest) error        { return nil }
func (l leading) Recv() (*replicationv1.ReplicateResponse, error) { return l.message, l.err }

// full is a store that keeps nothing.
type full struct {
	Own
	err error
}

func (full) Hashes() map[common.Hash]bool  { return nil }
func (full) SetLocked(bool, string) error  { return nil }
func (f full) Keep([]txstore.Change) error { return f.err }

// TestAStandbyEndsForItsDiskInOnePlaceAndForAWrongLeaderByItself: a disk goes to the one place that ends processes for disks;
// a leader that this replica cannot stand by for is an error of Run.
func TestAStandbyEndsForItsDiskInOnePlaceAndForAWrongLeaderByItself(t *testing.T) {
	errFull := errors.New("no space left on device")
	entry := func(kind replicationv1.Kind) *replicationv1.ReplicateResponse {
		return &replicationv1.ReplicateResponse{Entries: []*replicationv1.Entry{{Kind: kind, Raw: []byte{1}}}}
	}
	for name, one := range map[string]struct {
		leader leading
		broken bool
		want   func(error) bool
	}{
		"its own disk":    {leading{message: entry(replicationv1.Kind_KIND_TRANSACTION)}, true, func(err error) bool { return err == nil }},
		"another chain":   {leading{err: status.Error(codes.FailedPrecondition, "of another chain")}, false, func(err error) bool { return status.Code(err) == codes.FailedPrecondition }},
		"a later version": {leading{message: entry(99)}, false, func(err error) bool { return errors.Is(err, errVersion) }},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var broken error
		s := &Standby{
			Client: one.leader, Own: full{err: errFull}, Log: slog.New(slog.DiscardHandler),
			Leader: func() (string, <-chan struct{}) { return "a", nil },
			Broken: func(err error) { broken = err; cancel() },
		}
		if err := s.Run(ctx); !one.want(err) {
			t.Errorf("%s: run returned %v", name, err)
		}
		if errors.Is(broken, errFull) != one.broken {
			t.Errorf("%s: reported as broken: %v", name, broken)
		}
		cancel()
	}
}
