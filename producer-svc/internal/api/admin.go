package api

import (
	"context"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// Store keeps what an operator sets, durably.
type Store interface {
	SetLocked(ctx context.Context, locked bool) error
	AddDelayed(ctx context.Context, raw []byte) (content.Hash, error)
}

// Admin is the AdminService.
type Admin struct {
	blueprintv1.UnimplementedAdminServiceServer
	Store   Store
	Leading func() bool
}

// LockPool implements the contract.
func (a *Admin) LockPool(ctx context.Context, _ *blueprintv1.LockPoolRequest) (*blueprintv1.LockPoolResponse, error) {
	if err := a.set(ctx, true); err != nil {
		return nil, err
	}
	return &blueprintv1.LockPoolResponse{}, nil
}

// UnlockPool implements the contract.
func (a *Admin) UnlockPool(ctx context.Context, _ *blueprintv1.UnlockPoolRequest) (*blueprintv1.UnlockPoolResponse, error) {
	if err := a.set(ctx, false); err != nil {
		return nil, err
	}
	return &blueprintv1.UnlockPoolResponse{}, nil
}

func (a *Admin) set(ctx context.Context, locked bool) error {
	if !a.Leading() {
		return ErrNotLeading
	}
	return a.Store.SetLocked(ctx, locked)
}

// AddDelayedTransaction implements the contract.
func (a *Admin) AddDelayedTransaction(ctx context.Context, r *blueprintv1.AddDelayedTransactionRequest) (*blueprintv1.AddDelayedTransactionResponse, error) {
	if !a.Leading() {
		return nil, ErrNotLeading
	}
	hash, err := a.Store.AddDelayed(ctx, r.GetRaw())
	if err != nil {
		return nil, err
	}
	return &blueprintv1.AddDelayedTransactionResponse{Hash: hash[:]}, nil
}
