package replicate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"blindseq/kit/retry"
	"blindseq/producer-svc/internal/txstore"
	replicationv1 "blindseq/proto/blindseq/replication/v1"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	handEvery   = 5 * time.Second // between tries to give the leader what it could not take
	handTimeout = 10 * time.Second
)

var (
	// errBroken wraps a failure of this replica's own store.
	errBroken = errors.New("keep what the leader acknowledged")
	// errVersion: the leader sends what this version cannot keep.
	errVersion = errors.New("the leader is of a later version: upgrade this replica")
)

// Own is the standby's store.
type Own interface {
	// Keep makes changes durable and has the transactions ready for leading, but for those in applied blocks.
	Keep(changes []txstore.Change) error
	// Hashes are those of everything promised and not ended.
	Hashes() map[common.Hash]bool
	After(position uint64, limit, bytes int) (changes []txstore.Change, upTo uint64, all bool, err error)
	// End records that transactions have ended, which the leader refused for good.
	End([]txstore.Ending) error
	// SetLocked takes over whether the pool is locked.
	SetLocked(locked bool, reason string) error
}

// pauses are between attempts to reach the leader.
var pauses = retry.Policy{First: 50 * time.Millisecond, Longest: 500 * time.Millisecond}

// Standby is the side that keeps a copy.
type Standby struct {
	Client replicationv1.ReplicationServiceClient // of the present leader
	// Leader is who else leads; none while this replica does or nobody is known to. changed is closed when that changes.
	Leader func() (who string, changed <-chan struct{})
	Hello  *replicationv1.Hello
	Own    Own
	// Broken is called when the own store fails. The process has to end.
	Broken func(error)
	Log    *slog.Logger

	token atomic.Uint64
}

// Token is the highest fencing token that a leader has reported.
func (s *Standby) Token() uint64 { return s.token.Load() }

// Run keeps a copy until ctx ends, or until the own store fails, which it reports to Broken. It returns an error when the leader
// refuses this replica, or when this version cannot keep what the leader sends: one of the two is configured wrongly, and a
// replica that went on would pass for a standby.
func (s *Standby) Run(ctx context.Context) error {
	pause := pauses.New()
	for ctx.Err() == nil {
		who, changed := s.Leader()
		if who == "" {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		began := time.Now()
		err := s.session(ctx, who)
		switch {
		case ctx.Err() != nil || err == nil:
			continue
		case errors.Is(err, errBroken):
			s.Broken(fmt.Errorf("stand by for %s: %w", who, err))
			<-ctx.Done()
			return nil
		case errors.Is(err, errVersion), status.Code(err) == codes.FailedPrecondition:
			return fmt.Errorf("stand by for %s: %w", who, err)
		case time.Since(began) > pauses.Longest:
			pause.Reset()
		}
		s.Log.DebugContext(ctx, "no stream from the leader", "leader", who, "failures", pause.Failures()+1, "error", err)
		_ = pause.Wait(ctx) // the loop looks at ctx
	}
	return nil
}

// session keeps what one leader sends, until its stream breaks or another leads.
func (s *Standby) session(ctx context.Context, who string) error {
	ctx, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.until(ctx, who)
		cancel()
	}()
	defer func() { cancel(); <-watched }()

	only := s.Own.Hashes() // what the leader has not shown that it has
	stream, err := s.Client.Replicate(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(&replicationv1.ReplicateRequest{Message: &replicationv1.ReplicateRequest_Hello{Hello: s.Hello}}); err != nil {
		return s.closed(ctx, stream, err)
	}
	var handing sync.WaitGroup
	defer func() { cancel(); handing.Wait() }()
	complete := false
	for {
		m, err := stream.Recv()
		if err == nil {
			err = s.keep(m, only)
		}
		if err == nil && !complete && m.GetComplete() {
			complete = true
			s.Log.InfoContext(ctx, "standing by", "leader", who, "position", m.GetPosition(), "only_here", len(only))
			mine := only
			handing.Go(func() { s.handOver(ctx, mine) })
			only = nil
		}
		if err == nil {
			err = stream.Send(&replicationv1.ReplicateRequest{Message: &replicationv1.ReplicateRequest_Durable{Durable: &replicationv1.Durable{Position: m.GetPosition()}}})
		}
		if err != nil {
			if ctx.Err() != nil && !errors.Is(err, errBroken) {
				return nil
			}
			return err
		}
	}
}

// closed is why a stream that cannot be sent on was closed.
func (s *Standby) closed(ctx context.Context, stream replicationv1.ReplicationService_ReplicateClient, err error) error {
	if _, why := stream.Recv(); why != nil {
		err = why
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// until waits until another leads than who.
func (s *Standby) until(ctx context.Context, who string) {
	for {
		now, changed := s.Leader()
		if now != who {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// keep makes a message durable.
func (s *Standby) keep(m *replicationv1.ReplicateResponse, only map[common.Hash]bool) error {
	if m.GetToken() > s.token.Load() {
		s.token.Store(m.GetToken())
	}
	if err := s.Own.SetLocked(m.GetPoolLocked(), m.GetLockReason()); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	var changes []txstore.Change
	for _, e := range m.GetEntries() {
		kind, err := kindOf(e.GetKind())
		if err != nil {
			return err
		}
		delete(only, txstore.HashOf(e.GetRaw()))
		changes = append(changes, txstore.Change{Kind: kind, Raw: e.GetRaw()})
	}
	for _, e := range m.GetEnded() {
		hash := common.BytesToHash(e.GetHash())
		delete(only, hash)
		changes = append(changes, txstore.Change{Kind: txstore.ChangeEnded, Hash: hash, Reason: e.GetReason()})
	}
	if len(changes) == 0 {
		return nil
	}
	if err := s.Own.Keep(changes); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	return nil
}

func kindOf(k replicationv1.Kind) (txstore.ChangeKind, error) {
	switch k {
	case replicationv1.Kind_KIND_TRANSACTION:
		return txstore.ChangeTransaction, nil
	case replicationv1.Kind_KIND_SEALED:
		return txstore.ChangeSealed, nil
	case replicationv1.Kind_KIND_DELAYED:
		return txstore.ChangeDelayed, nil
	}
	return 0, fmt.Errorf("%w: it sent an entry of the unknown kind %d", errVersion, k)
}

// handOver gives the leader what only this replica has: it was acknowledged here, while this one led.
func (s *Standby) handOver(ctx context.Context, only map[common.Hash]bool) {
	for len(only) > 0 && ctx.Err() == nil {
		if err := s.handOnce(ctx, only); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "the leader could not take what only this replica has; trying again", "transactions", len(only), "error", err)
		}
		if len(only) > 0 {
			_ = retry.Sleep(ctx, handEvery) // the loop looks at ctx
		}
	}
}

// handOnce goes through the store once.
func (s *Standby) handOnce(ctx context.Context, only map[common.Hash]bool) error {
	still := s.Own.Hashes()
	for hash := range only {
		if !still[hash] { // in a block meanwhile
			delete(only, hash)
		}
	}
	for position, all := uint64(0), len(only) == 0; !all; {
		changes, upTo, last, err := s.Own.After(position, groupEntries, groupBytes)
		if err != nil {
			return err
		}
		if err := s.hand(ctx, changes, only); err != nil {
			return err
		}
		position, all = upTo, last
	}
	return nil
}

func (s *Standby) hand(ctx context.Context, changes []txstore.Change, only map[common.Hash]bool) error {
	var hashes []common.Hash
	request := new(replicationv1.SubmitRequest)
	for _, one := range changes {
		if one.Kind == txstore.ChangeEnded {
			continue
		}
		if hash := txstore.HashOf(one.Raw); only[hash] {
			hashes, request.Entries = append(hashes, hash), append(request.Entries, entryOf(one))
		}
	}
	if len(hashes) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, handTimeout)
	defer cancel()
	answer, err := s.Client.Submit(ctx, request)
	if err != nil {
		return err
	}
	if len(answer.GetResults()) != len(hashes) {
		return fmt.Errorf("%d answers for %d transactions", len(answer.GetResults()), len(hashes))
	}
	var ended []txstore.Ending
	for i, r := range answer.GetResults() {
		if r.GetAgain() {
			continue
		}
		delete(only, hashes[i])
		if r.GetError() != "" && !r.GetKnown() {
			ended = append(ended, txstore.Ending{Hash: hashes[i], Kind: txstore.Dropped, Reason: r.GetError()})
		}
	}
	return s.Own.End(ended)
}
