package bundling

import (
	"context"
	"fmt"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"

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
	// Ended is one that ended here without being executed.
	Ended
)

// Found is what is known of a transaction.
type Found struct {
	At     Place
	ID     common.Hash // of its sealed transaction, once there is one
	Reason string      // why it is queued or has ended, if that is known
	Raw    []byte      // as its wallet signed it, while it waits
}

// Waits says whether the transaction waits here.
func (f Found) Waits() bool { return f.At == Queued || f.At == Hidden || f.At == Public }

// Look says where a transaction is, and with placed whether the place of a sealed one is fixed: if not, it counts as Hidden.
func (d *Intake) Look(ctx context.Context, hash common.Hash, placed bool) (f Found, err error) {
	item, here := d.o.Box.Find(hash)
	if !here {
		if how, ended := d.o.Box.Ended(hash); ended {
			f.At, f.Reason = Ended, how.Reason
		}
		return f, nil
	}
	f.At, f.ID = Hidden, item.ID
	if reason, queued := d.o.Box.Waiting(hash); queued {
		f.At, f.Reason = Queued, reason
	} else if placed {
		if _, f.At, err = d.Find(ctx, hash); err != nil {
			return f, err
		}
	}
	content, err := d.o.Box.Content(hash)
	if content != nil {
		f.Raw = content.Raw
	}
	return f, err
}

// AwaitEnd waits until a transaction has ended here without being executed, and says why. Its error is that ctx has ended.
func (d *Intake) AwaitEnd(ctx context.Context, hash common.Hash) (reason string, err error) {
	for {
		changed := d.Ended()
		if how, ended := d.o.Box.Ended(hash); ended {
			return how.Reason, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// NextNonce is the first nonce of an account that neither a block uses nor a transaction that waits here. What waits is read first:
// when it leaves, the observer must have its block.
func (d *Intake) NextNonce(ctx context.Context, account common.Address) (nonce uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.o.AcceptTimeout)
	defer cancel()
	err = persist(ctx, func(ctx context.Context) error {
		here := d.o.Box.Nonces(account)
		known := d.o.Box.LastOrdered()
		head, next, err := d.o.Observer.NextNonce(ctx, account)
		if err == nil && head < known {
			err = behind(head, known)
		}
		nonce = here.Next(next)
		return err
	})
	return nonce, err
}

func behind(head, known uint64) error {
	return fmt.Errorf("%w: it is at block %d, and %d is known", rollup.ErrObserver, head, known)
}

// Accounts are those whose transactions a raw one has to come after: its sender, and those that authorise with it.
func (d *Intake) Accounts(raw []byte) ([]common.Address, error) {
	tx, err := d.check(raw)
	if err != nil {
		return nil, err
	}
	return tx.accounts, nil
}

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
