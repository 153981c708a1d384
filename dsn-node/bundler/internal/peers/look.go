package peers

import (
	"context"
	"time"

	"blindseq/dsn-node/bundler/internal/bundling"

	"github.com/ethereum/go-ethereum/common"
)

// lookTimeout is how long a peer may take to say whether it has a transaction.
const lookTimeout = 2 * time.Second

// Look says where a transaction is: here, or in another bundler. When none has it and one does not answer, the error is ErrAway.
func (p *Peers) Look(ctx context.Context, hash common.Hash, placed bool) (bundling.Found, error) {
	here, err := p.Local.Look(ctx, hash, placed)
	if err != nil || here.Waits() {
		return here, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	type answer struct {
		found bundling.Found
		err   error
	}
	answers := make(chan answer, len(p.others))
	for _, other := range p.others {
		go func() {
			found, err := other.look(ctx, hash, placed)
			answers <- answer{found, err}
		}()
	}
	for range p.others {
		a := <-answers
		switch {
		case a.err == nil && a.found.Waits():
			return a.found, nil
		case a.err == nil && a.found.At == bundling.Ended:
			here = a.found
		case a.err != nil:
			err = a.err
		}
	}
	if here.At == bundling.Ended {
		return here, nil
	}
	return here, err
}
