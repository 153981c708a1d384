package peers

import (
	"context"
	"errors"
	"time"

	"blindseq/dsn-node/bundler/internal/bundling"
	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/kit/retry"

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

// AwaitEnd waits until a transaction has ended in one of the bundlers without being executed, and says why.
func (p *Peers) AwaitEnd(ctx context.Context, hash common.Hash) (reason string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	reasons := make(chan string, len(p.others)+1)
	wait := func(await func(context.Context, common.Hash) (string, error)) {
		pause := retry.Policy{First: 50 * time.Millisecond, Longest: time.Second}.New()
		for {
			reason, err := await(ctx, hash)
			if err == nil {
				reasons <- reason
				return
			}
			if errors.Is(ctx.Err(), context.Canceled) || pause.Wait(ctx) != nil {
				return
			}
		}
	}
	go wait(p.Local.AwaitEnd)
	for _, other := range p.others {
		go wait(other.awaitEnd)
	}
	select {
	case reason := <-reasons:
		return reason, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Standing says how far a transaction is here.
func (p *Peers) Standing(hash common.Hash) outbox.Standing { return p.Local.Standing(hash) }

// Watch is of a transaction here.
func (p *Peers) Watch(hash common.Hash) (changed func() <-chan struct{}, forget func()) {
	return p.Local.Watch(hash)
}
