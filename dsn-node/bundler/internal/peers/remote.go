package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"blindseq/dsn-node/bundler/internal/bundling"
	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/kit/retry"
	bundlerv1 "blindseq/proto/blindseq/bundler/v1"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// remote is another bundler.
type remote struct {
	name    string
	api     bundlerv1.PeerServiceClient
	streams bundlerv1.PeerServiceClient // a connection has so many at most: what is followed must not hold up what is sent
	timeout time.Duration
	log     *slog.Logger
}

// nothingKept says that a bundler keeps nothing of an account that has its home elsewhere, and never will.
type nothingKept struct{ ordered uint64 }

func (*nothingKept) Error() string { return bundling.ErrNothingKept.Error() }

// send passes a transaction on until it is answered. A repeat does no harm.
func (r *remote) send(ctx context.Context, raw []byte, held bool) (hash common.Hash, err error) {
	err = r.persist(ctx, func(ctx context.Context) error {
		answer, err := r.api.SendTransaction(ctx, &bundlerv1.SendTransactionRequest{Transaction: raw, Held: held})
		if err != nil {
			return err
		}
		switch result := answer.GetResult().(type) {
		case *bundlerv1.SendTransactionResponse_Hash:
			hash = common.BytesToHash(result.Hash)
			return nil
		case *bundlerv1.SendTransactionResponse_NothingKept:
			return &nothingKept{result.NothingKept.GetOrdered()}
		case *bundlerv1.SendTransactionResponse_Refusal:
			return refusalOf(result.Refusal)
		}
		return status.Error(codes.Internal, "the answer is empty")
	})
	return hash, err
}

func refusalOf(r *bundlerv1.Refusal) *rollup.Refusal {
	out := &rollup.Refusal{Code: int(r.GetCode()), Message: r.GetMessage()}
	if data := r.GetData(); data != "" && json.Valid([]byte(data)) {
		out.Data = json.RawMessage(data)
	}
	return out
}

func (r *remote) nextNonce(ctx context.Context, account common.Address, held bool) (nonce uint64, err error) {
	err = r.persist(ctx, func(ctx context.Context) error {
		answer, err := r.api.GetNextNonce(ctx, &bundlerv1.GetNextNonceRequest{Account: account[:], Held: held})
		if err != nil {
			return err
		}
		if nothing := answer.GetNothingKept(); nothing != nil {
			return &nothingKept{nothing.GetOrdered()}
		}
		nonce = answer.GetNonce()
		return nil
	})
	return nonce, err
}

func (r *remote) look(ctx context.Context, hash common.Hash, placed bool) (f bundling.Found, err error) {
	answer, err := r.api.FindTransaction(ctx, &bundlerv1.FindTransactionRequest{Hash: hash[:], Placed: placed})
	if err != nil {
		r.log.DebugContext(ctx, "bundler does not answer", "peer", r.name, "error", err)
		return f, fmt.Errorf("%w (%s)", ErrAway, r.name)
	}
	places := map[bundlerv1.Place]bundling.Place{
		bundlerv1.Place_PLACE_QUEUED: bundling.Queued, bundlerv1.Place_PLACE_SEALED: bundling.Hidden,
		bundlerv1.Place_PLACE_FIXED: bundling.Public, bundlerv1.Place_PLACE_ENDED: bundling.Ended,
	}
	f = bundling.Found{At: places[answer.GetPlace()], Reason: answer.GetReason(), Raw: answer.GetTransaction()}
	copy(f.ID[:], answer.GetId())
	return f, nil
}

// follow is told how far a transaction is, until ctx ends or the bundler is away.
func (r *remote) follow(ctx context.Context, hash common.Hash, tell func(outbox.Standing)) error {
	stream, err := r.streams.Follow(ctx, &bundlerv1.FollowRequest{Hash: hash[:]})
	for err == nil {
		var at *bundlerv1.FollowResponse
		if at, err = stream.Recv(); err == nil {
			tell(outbox.Standing{
				Queued: at.GetQueued(), ID: common.BytesToHash(at.GetId()), Accepted: at.GetAccepted(), Ended: at.GetEnded(), Reason: at.GetReason(),
			})
		}
	}
	return fmt.Errorf("follow a transaction: %w", err)
}

// persist repeats a call that the bundler did not answer, or cannot yet because it has another list, for as long as calls may take. Its
// error is then ErrAway.
func (r *remote) persist(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	pause := retry.Policy{First: 20 * time.Millisecond, Longest: 500 * time.Millisecond}.New()
	for {
		err := call(ctx)
		var answered *rollup.Refusal
		var nothing *nothingKept
		if err == nil || errors.As(err, &answered) || errors.As(err, &nothing) {
			return err
		}
		if pause.Wait(ctx) != nil {
			r.log.DebugContext(ctx, "bundler does not answer", "peer", r.name, "error", err)
			return fmt.Errorf("%w (%s)", ErrAway, r.name)
		}
	}
}
