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

// Find says where a transaction is, and the id of its sealed one if it waits here. The rollup is asked for the id alone.
func (d *Intake) Find(ctx context.Context, hash common.Hash) (id common.Hash, at Place, err error) {
	item, opened, here := d.o.Box.Find(hash)
	switch {
	case !here:
		return common.Hash{}, Elsewhere, nil
	case opened:
		return item.ID, Public, nil
	}
	states, err := d.o.Rollup.Statuses(ctx, []common.Hash{item.ID})
	if err != nil || !states[0].Public() {
		return item.ID, Hidden, err
	}
	d.o.Box.Opened(hash)
	return item.ID, Public, nil
}
