package gateway

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// LockPool stops new proposals.
func (s *Server) LockPool(ctx context.Context, _ *gatewayv1.LockPoolRequest) (*gatewayv1.LockPoolResponse, error) {
	if _, err := held(ctx, s.lines.Leader, s.timeouts.Call, s.backends.Admin.LockPool, &blueprintv1.LockPoolRequest{}); err != nil {
		return nil, failed(ctx, "lock pool", err)
	}
	return &gatewayv1.LockPoolResponse{}, nil
}

// UnlockPool undoes LockPool.
func (s *Server) UnlockPool(ctx context.Context, _ *gatewayv1.UnlockPoolRequest) (*gatewayv1.UnlockPoolResponse, error) {
	if _, err := held(ctx, s.lines.Leader, s.timeouts.Call, s.backends.Admin.UnlockPool, &blueprintv1.UnlockPoolRequest{}); err != nil {
		return nil, failed(ctx, "unlock pool", err)
	}
	return &gatewayv1.UnlockPoolResponse{}, nil
}

// AddDelayedTransaction stores a transaction that a later block executes before its plain ones.
func (s *Server) AddDelayedTransaction(ctx context.Context, r *gatewayv1.AddDelayedTransactionRequest) (*gatewayv1.AddDelayedTransactionResponse, error) {
	raw, err := decodeHex("raw", r.GetRaw())
	if err != nil {
		return nil, err
	}
	tries := 0
	add := func(ctx context.Context, r *blueprintv1.AddDelayedTransactionRequest, o ...grpc.CallOption) (*blueprintv1.AddDelayedTransactionResponse, error) {
		tries++
		return s.backends.Admin.AddDelayedTransaction(ctx, r, o...)
	}
	res, err := held(ctx, s.lines.Leader, s.timeouts.Call, add, &blueprintv1.AddDelayedTransactionRequest{Raw: raw})
	switch {
	case status.Code(err) == codes.AlreadyExists && tries > 1: // a try whose answer was lost got through, and its block is there
		return &gatewayv1.AddDelayedTransactionResponse{Hash: hashes([][]byte{raw})[0]}, nil
	case err != nil:
		return nil, failed(ctx, "add delayed transaction", err)
	}
	return &gatewayv1.AddDelayedTransactionResponse{Hash: hexBytes(res.GetHash())}, nil
}

// DropTransactions takes transactions out of the pool.
func (s *Server) DropTransactions(ctx context.Context, r *gatewayv1.DropTransactionsRequest) (*gatewayv1.DropTransactionsResponse, error) {
	request := new(blueprintv1.DropTransactionsRequest)
	for field, one := range map[string]struct {
		text string
		size int
		to   *[]byte
	}{"hash": {r.GetHash(), 32, &request.Hash}, "sender": {r.GetSender(), 20, &request.Sender}} {
		if one.text == "" {
			continue
		}
		raw, err := decodeHex(field, one.text)
		if err == nil && len(raw) != one.size {
			err = Invalid(field, fmt.Sprintf("must have %d bytes, not %d", one.size, len(raw)))
		}
		if err != nil {
			return nil, err
		}
		*one.to = raw
	}
	if len(request.Hash) == 0 && len(request.Sender) == 0 {
		return nil, Invalid("hash", "hash or sender is needed")
	}
	res, err := held(ctx, s.lines.Leader, s.timeouts.Call, s.backends.Admin.DropTransactions, request)
	if err != nil {
		return nil, failed(ctx, "drop transactions", err)
	}
	return &gatewayv1.DropTransactionsResponse{Dropped: res.GetDropped()}, nil
}

func decodeHex(field, text string) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, "0x")
	switch {
	case text == "":
		return nil, Invalid(field, "is missing")
	case !ok:
		return nil, Invalid(field, "hex must begin with 0x")
	case digits == "":
		return nil, Invalid(field, "is empty")
	case len(digits)%2 != 0:
		return nil, Invalid(field, "hex has an odd number of digits")
	}
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return nil, Invalid(field, "not hex: "+err.Error())
	}
	return raw, nil
}
