package replicate

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"time"

	"blindseq/kit/grpckit"
	"blindseq/producer-svc/internal/txstore"
	replicationv1 "blindseq/proto/blindseq/replication/v1"
)

const (
	groupEntries = 1000
	groupBytes   = 1 << 20
	// refresh is how often token and lock are sent when nothing else is.
	refresh        = time.Second
	maxReplicaName = 256 // bytes
)

// Store is the leader's.
type Store interface {
	After(position uint64, limit, bytes int) (changes []txstore.Change, upTo uint64, all bool, err error)
	Position() (last uint64, changed <-chan struct{})
}

// Server is the ReplicationService.
type Server struct {
	replicationv1.UnimplementedReplicationServiceServer
	Standbys *Standbys
	Store    Store
	Hello    *replicationv1.Hello // what a standby must say, but for its name
	Token    func() uint64
	Log      *slog.Logger
	Locked   func() (locked bool, reason string)
	// Take takes what another replica was sent, while this one leads.
	Take func(ctx context.Context, entries []*replicationv1.Entry) ([]*replicationv1.SubmitResult, error)
}

// Replicate implements the contract.
func (s *Server) Replicate(stream replicationv1.ReplicationService_ReplicateServer) error {
	replica, err := s.welcome(stream)
	if err != nil {
		s.Log.WarnContext(stream.Context(), "standby refused", "replica", replica, "error", err)
		return fmt.Errorf("replicate: %w", err)
	}
	session, err := s.Standbys.join(stream.Context(), replica)
	if err != nil {
		return fmt.Errorf("replicate to %s: %w", replica, err)
	}
	defer s.Standbys.leave(session)
	go s.listen(stream, session) // ends with the stream, which ends when this returns
	if err := s.feed(stream, session); err != nil {
		return fmt.Errorf("replicate to %s: %w", replica, err)
	}
	return nil
}

// welcome reads the Hello. A refusal does not say what would have been right: whoever asks may be a stranger.
func (s *Server) welcome(stream replicationv1.ReplicationService_ReplicateServer) (replica string, err error) {
	first, err := stream.Recv()
	if err != nil {
		return "", err
	}
	hello := first.GetHello()
	switch {
	case hello.GetReplica() == "" || len(hello.GetReplica()) > maxReplicaName:
		return "", fmt.Errorf("%w: the first message must be a Hello with the replica's address", ErrBadRequest)
	case hello.GetChainId() != s.Hello.GetChainId() || !bytes.Equal(hello.GetGenesisHash(), s.Hello.GetGenesisHash()):
		return hello.GetReplica(), fmt.Errorf("%w: it is of another chain, or has another genesis: it says %d and %x", ErrStranger,
			hello.GetChainId(), hello.GetGenesisHash())
	case !bytes.Equal(hello.GetSequencerKey(), s.Hello.GetSequencerKey()):
		return hello.GetReplica(), fmt.Errorf("%w: it has another sequencer's key than the leader: %x", ErrStranger, hello.GetSequencerKey())
	case !bytes.Equal(hello.GetCommitteeHash(), s.Hello.GetCommitteeHash()):
		return hello.GetReplica(), fmt.Errorf("%w: it has another committee than the leader: %x; give both the same --committee-file", ErrStranger,
			hello.GetCommitteeHash())
	}
	if err := claims(grpckit.CertificateOf(stream.Context()), hello.GetReplica()); err != nil {
		return hello.GetReplica(), err
	}
	return hello.GetReplica(), nil
}

// claims checks that a certificate is for the name that a replica claims, if there is one.
func claims(certificate *x509.Certificate, replica string) error {
	if certificate == nil {
		return nil
	}
	name, _, err := net.SplitHostPort(replica)
	if err != nil {
		name = replica
	}
	if err := certificate.VerifyHostname(name); err != nil {
		return fmt.Errorf("%w: its certificate is not for the name that it claims: %w", ErrStranger, err)
	}
	return nil
}

// listen takes in how far the standby is.
func (s *Server) listen(stream replicationv1.ReplicationService_ReplicateServer, session *session) {
	for {
		m, err := stream.Recv()
		if err == nil {
			err = s.Standbys.has(session, m.GetDurable().GetPosition())
		}
		if err != nil {
			session.end(err)
			return
		}
	}
}

// feed sends what is there and what comes, until ctx ends.
func (s *Server) feed(stream replicationv1.ReplicationService_ReplicateServer, session *session) error {
	position, complete := uint64(0), false
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		_, changed := s.Store.Position() // before looking, so that nothing falls in between
		changes, upTo, all, err := s.Store.After(position, groupEntries, groupBytes)
		if err != nil {
			return err
		}
		complete = complete || all
		s.Standbys.sends(session, upTo)
		if err := stream.Send(s.message(changes, upTo, complete)); err != nil {
			return err
		}
		position = upTo
		if !all {
			continue
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-session.ctx.Done():
			return context.Cause(session.ctx)
		}
	}
}

func (s *Server) message(changes []txstore.Change, upTo uint64, complete bool) *replicationv1.ReplicateResponse {
	m := &replicationv1.ReplicateResponse{Position: upTo, Complete: complete, Token: s.Token()}
	m.PoolLocked, m.LockReason = s.Locked()
	for _, one := range changes {
		if one.Kind == txstore.ChangeEnded {
			m.Ended = append(m.Ended, &replicationv1.Ended{Hash: one.Hash[:], Reason: one.Reason})
			continue
		}
		m.Entries = append(m.Entries, entryOf(one))
	}
	return m
}

func entryOf(c txstore.Change) *replicationv1.Entry {
	kinds := map[txstore.ChangeKind]replicationv1.Kind{
		txstore.ChangeTransaction: replicationv1.Kind_KIND_TRANSACTION,
		txstore.ChangeSealed:      replicationv1.Kind_KIND_SEALED,
		txstore.ChangeDelayed:     replicationv1.Kind_KIND_DELAYED,
	}
	return &replicationv1.Entry{Kind: kinds[c.Kind], Raw: c.Raw}
}

// Submit implements the contract.
func (s *Server) Submit(ctx context.Context, r *replicationv1.SubmitRequest) (*replicationv1.SubmitResponse, error) {
	if n := len(r.GetEntries()); n == 0 || n > groupEntries {
		return nil, fmt.Errorf("submit: %w: %d entries, from 1 to %d are taken", ErrBadRequest, n, groupEntries)
	}
	results, err := s.Take(ctx, r.GetEntries())
	if err != nil {
		return nil, fmt.Errorf("submit: %w", err)
	}
	return &replicationv1.SubmitResponse{Results: results}, nil
}
