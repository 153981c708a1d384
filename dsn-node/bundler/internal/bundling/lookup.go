package bundling

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
)

// Place is where a transaction is that a wallet asks for.
type Place int

const (
	// Elsewhere is a transaction that does not wait here.
	Elsewhere Place = iota
	// Hidden is one that waits here and that nobody else can read yet.
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
	states, err := d.o.Observer.Statuses(ctx, []common.Hash{item.ID})
	if err != nil || !states[0].Public() {
		return item.ID, Hidden, err
	}
	return item.ID, Public, nil
}
