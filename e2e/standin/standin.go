// Package standin is a proxy in front of a real keyholder's process that has its signing key. As a test configures it, it
// answers as the keyholder does or breaks the rules.
package standin

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"blindseq/dsn-node/offline/keygen"
	"blindseq/kit/config"
	"blindseq/kit/grpckit"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Behaviour of a stand-in.
type Behaviour int32

const (
	Honest       Behaviour = iota
	WrongShares            // gives for the last sealed transaction a share that is not its own
	Equivocating           // claims, signed, that it attested another content for the number before; asked again, it attests
)

// Keyholder is a stand-in that serves until it is closed.
type Keyholder struct {
	keyholderv1.UnimplementedKeyholderServiceServer
	authority uint8
	committee *committee.Committee
	key       *ecdsa.PrivateKey
	behaviour atomic.Int32

	real   keyholderv1.KeyholderServiceClient
	conn   *grpc.ClientConn
	server *grpckit.Server
	stop   context.CancelFunc
	done   chan error

	mu    sync.Mutex
	asked map[uint64]bool // numbers for which it has signed another content
}

// Serve starts an honest stand-in for an authority, whose process is at address.
func Serve(authority int, address string, keys *keygen.Files) (*Keyholder, error) {
	k := &Keyholder{authority: uint8(authority), asked: map[uint64]bool{}, done: make(chan error, 1)}
	if err := k.open(address, keys); err != nil {
		return nil, fmt.Errorf("stand in for keyholder %d: %w", authority, err)
	}
	ctx, stop := context.WithCancel(context.Background()) // ends with Close
	k.stop = stop
	go func() { k.done <- k.server.Run(ctx) }()
	return k, nil
}

func (k *Keyholder) open(address string, keys *keygen.Files) (err error) {
	if k.committee, err = committee.Read(keys.Committee); err != nil {
		return err
	}
	if k.key, err = crypto.LoadECDSA(keys.Identities[k.authority]); err != nil {
		return err
	}
	if k.server, err = grpckit.NewServer(grpckit.ServerConfig{Address: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)}); err != nil {
		return err
	}
	keyholderv1.RegisterKeyholderServiceServer(k.server.Registrar(), k)
	if k.conn, err = grpckit.Dial(address, config.TLS{}); err != nil {
		return err
	}
	k.real = keyholderv1.NewKeyholderServiceClient(k.conn)
	return nil
}

// Address is where it serves.
func (k *Keyholder) Address() string { return k.server.Addr() }

// Behave changes how it answers from now on.
func (k *Keyholder) Behave(b Behaviour) { k.behaviour.Store(int32(b)) }

// Close ends it.
func (k *Keyholder) Close() error {
	k.stop()
	return errors.Join(<-k.done, k.conn.Close())
}

// GetStatus is the real keyholder's.
func (k *Keyholder) GetStatus(ctx context.Context, r *keyholderv1.GetStatusRequest) (*keyholderv1.GetStatusResponse, error) {
	return k.real.GetStatus(ctx, r)
}

// GetAttested is the real keyholder's.
func (k *Keyholder) GetAttested(r *keyholderv1.GetAttestedRequest, to grpc.ServerStreamingServer[keyholderv1.GetAttestedResponse]) error {
	from, err := k.real.GetAttested(to.Context(), r)
	if err != nil {
		return err
	}
	for {
		m, err := from.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := to.Send(m); err != nil {
			return err
		}
	}
}

// Lock is the real keyholder's.
func (k *Keyholder) Lock(ctx context.Context, r *keyholderv1.LockRequest) (*keyholderv1.LockResponse, error) {
	return k.real.Lock(ctx, r)
}

// Adopt is the real keyholder's.
func (k *Keyholder) Adopt(ctx context.Context, r *keyholderv1.AdoptRequest) (*keyholderv1.AdoptResponse, error) {
	return k.real.Adopt(ctx, r)
}

// Report is the real keyholder's.
func (k *Keyholder) Report(ctx context.Context, r *keyholderv1.ReportRequest) (*keyholderv1.ReportResponse, error) {
	return k.real.Report(ctx, r)
}

// Restore is the real keyholder's.
func (k *Keyholder) Restore(ctx context.Context, r *keyholderv1.RestoreRequest) (*keyholderv1.RestoreResponse, error) {
	return k.real.Restore(ctx, r)
}

// Attest signs what it is asked for, or another content.
func (k *Keyholder) Attest(ctx context.Context, r *keyholderv1.AttestRequest) (*keyholderv1.AttestResponse, error) {
	final := r.GetFinality()
	if Behaviour(k.behaviour.Load()) != Equivocating || final == nil || k.again(r.GetContent().GetNumber()) {
		return k.real.Attest(ctx, r)
	}
	other := proto.CloneOf(r.GetContent())
	other.Number = final.GetNumber()
	signed, err := attest.StatementOf(k.committee, other, common.BytesToHash(final.GetPreviousPayloadHash())).Sign(k.key, k.authority, 0)
	return &keyholderv1.AttestResponse{Attested: signed, Refusal: keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_PREVIOUS}, err
}

func (k *Keyholder) again(number uint64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	before := k.asked[number]
	k.asked[number] = true
	return before
}

// ReleaseShares gives the real shares, or with them one that is none, signed all the same.
func (k *Keyholder) ReleaseShares(ctx context.Context, r *keyholderv1.ReleaseSharesRequest) (*keyholderv1.ReleaseSharesResponse, error) {
	answer, err := k.real.ReleaseShares(ctx, r)
	answers := answer.GetShares().GetAnswers()
	if err != nil || Behaviour(k.behaviour.Load()) != WrongShares || len(answers) == 0 {
		return answer, err
	}
	last := answers[len(answers)-1]
	point := k.committee.Keys.Point() // of the group, as a share is
	last.Share = point[:]
	return answer, attest.SignShares(k.committee, k.key, answer.GetShares())
}
