package gateway

import (
	"context"
	"encoding/hex"
	"strings"

	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"
)

// LockPool stops new proposals.
func (s *Server) LockPool(ctx context.Context, _ *gatewayv1.LockPoolRequest) (*gatewayv1.LockPoolResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeouts.Call)
	defer cancel()
	if _, err := s.backends.Admin.LockPool(ctx, &blueprintv1.LockPoolRequest{}); err != nil {
		return nil, failed(ctx, "lock pool", err)
	}
	return &gatewayv1.LockPoolResponse{}, nil
}

// UnlockPool undoes LockPool.
func (s *Server) UnlockPool(ctx context.Context, _ *gatewayv1.UnlockPoolRequest) (*gatewayv1.UnlockPoolResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeouts.Call)
	defer cancel()
	if _, err := s.backends.Admin.UnlockPool(ctx, &blueprintv1.UnlockPoolRequest{}); err != nil {
		return nil, failed(ctx, "unlock pool", err)
	}
	return &gatewayv1.UnlockPoolResponse{}, nil
}

// AddDelayedTransaction stores a transaction that goes first into a next block.
func (s *Server) AddDelayedTransaction(ctx context.Context, r *gatewayv1.AddDelayedTransactionRequest) (*gatewayv1.AddDelayedTransactionResponse, error) {
	raw, err := decodeHex("raw", r.GetRaw())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeouts.Call)
	defer cancel()
	res, err := s.backends.Admin.AddDelayedTransaction(ctx, &blueprintv1.AddDelayedTransactionRequest{Raw: raw})
	if err != nil {
		return nil, failed(ctx, "add delayed transaction", err)
	}
	return &gatewayv1.AddDelayedTransactionResponse{Hash: hexBytes(res.GetHash())}, nil
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
