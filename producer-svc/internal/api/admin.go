package api

import (
	"context"
	"fmt"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/common"
)

// Store keeps what an operator sets, durably.
type Store interface {
	SetLocked(ctx context.Context, locked bool) error
	AddDelayed(ctx context.Context, raw []byte) (content.Hash, error)
	// Drop ends transactions of the pool: one, and all of an account; zero values are none. It returns how many there were.
	Drop(hash common.Hash, sender common.Address) (int, error)
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

// DropTransactions implements the contract.
func (a *Admin) DropTransactions(ctx context.Context, r *blueprintv1.DropTransactionsRequest) (*blueprintv1.DropTransactionsResponse, error) {
	hash, sender := r.GetHash(), r.GetSender()
	switch {
	case !a.Leading():
		return nil, ErrNotLeading
	case len(hash) == 0 && len(sender) == 0:
		return nil, fmt.Errorf("drop transactions: %w: neither a hash nor a sender", ErrBadRequest)
	case len(hash) != 0 && len(hash) != common.HashLength, len(sender) != 0 && len(sender) != common.AddressLength:
		return nil, fmt.Errorf("drop transactions: %w: a hash of %d bytes, a sender of %d bytes", ErrBadRequest, len(hash), len(sender))
	}
	n, err := a.Store.Drop(common.BytesToHash(hash), common.BytesToAddress(sender))
	if err != nil {
		return nil, err
	}
	return &blueprintv1.DropTransactionsResponse{Dropped: uint32(n)}, nil
}
