package bundling

import (
	"context"

	"blindseq/dsn-node/bundler/internal/outbox"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Place is where a transaction is that a wallet asks for.
type Place int

const (
	// Elsewhere is a transaction that does not wait here.
	Elsewhere Place = iota
	// Queued is one that waits here to be sealed.
	Queued
	// Hidden is one that is sealed, waits here, and that nobody else can read yet.
	Hidden
	// Public is one that waits here for its end, while everybody can read it.
	Public
)

// Waits says whether a transaction waits here.
func (d *Intake) Waits(hash common.Hash) bool {
	_, here := d.o.Box.Find(hash)
	return here
}

// Find says where a transaction is, and the id of its sealed one if it waits here.
func (d *Intake) Find(ctx context.Context, hash common.Hash) (id common.Hash, at Place, err error) {
	item, here := d.o.Box.Find(hash)
	if !here {
		return common.Hash{}, Elsewhere, nil
	}
	if _, queued := d.o.Box.Waiting(hash); queued {
		return common.Hash{}, Queued, nil
	}
	states, err := d.o.Observer.Statuses(ctx, []common.Hash{item.ID})
	if err != nil || !states[0].Public() {
		return item.ID, Hidden, err
	}
	return item.ID, Public, nil
}

// Why says why a transaction is queued here, or how it ended that is in no block.
func (d *Intake) Why(hash common.Hash) (status, reason string, known bool) {
	if reason, queued := d.o.Box.Waiting(hash); queued {
		return "queued", reason, true
	}
	how, ended := d.o.Box.Ended(hash)
	return "dropped", how.Reason, ended
}

// Standing says how far a transaction is here.
func (d *Intake) Standing(hash common.Hash) outbox.Standing { return d.o.Box.Standing(hash) }

// Watch returns what tells of changes of a transaction's Standing, until forget is called.
func (d *Intake) Watch(hash common.Hash) (changed func() <-chan struct{}, forget func()) {
	return d.o.Box.Watch(hash)
}

// Ended returns a channel that is closed when another transaction has ended that is in no block.
func (d *Intake) Ended() <-chan struct{} { return d.o.Box.EndedChanged() }

// Transaction is the one of a hash if it waits here, as its wallet signed it; nil if not.
func (d *Intake) Transaction(hash common.Hash) (*types.Transaction, error) {
	if !d.Waits(hash) {
		return nil, nil
	}
	content, err := d.o.Box.Content(hash)
	if err != nil || content == nil {
		return nil, err
	}
	tx := new(types.Transaction)
	return tx, tx.UnmarshalBinary(content.Raw)
}

// Nonces are those that what waits here uses of an account.
func (d *Intake) Nonces(account common.Address) outbox.Nonces { return d.o.Box.Nonces(account) }
