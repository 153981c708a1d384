package bundling

import (
	"context"
	"errors"
	"fmt"
	"time"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/kit/retry"

	"github.com/ethereum/go-ethereum/common"
)

const (
	// ahead is how far a seq may be from the next one in the leader's pool.
	ahead = 1024
	// renewals bound how often a new transaction gets another seq because its own is used.
	renewals = 3
)

// errUsed says that the leader has something else under a seq.
var errUsed = errors.New("seq is used")

// handIn hands a new transaction in, with another seq if the leader has something else under its own: this outbox is then older
// than what was sealed with this key.
func (d *Intake) handIn(ctx context.Context, item outbox.Item, tx *transaction, sealed []byte, at lead) error {
	for range renewals {
		err := d.send(ctx, item, tx, sealed)
		if !errors.Is(err, errUsed) {
			return err
		}
		if at.NextSeq, err = d.o.Leader.NextSeq(ctx, d.o.submitter()); err != nil {
			return err
		}
		if item, sealed, err = d.renew(item, tx, at); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w with a seq that is free: another process seals with the same key", rollup.ErrAway)
}

// renew seals a transaction with another seq.
func (d *Intake) renew(item outbox.Item, tx *transaction, at lead) (outbox.Item, []byte, error) {
	renewed, ok := d.o.Box.Renew(item.Hash, at.NextSeq)
	if !ok {
		return item, nil, fmt.Errorf("%w: no seq is free", rollup.ErrAway)
	}
	return d.o.seal(renewed, tx.Transaction, tx.raw, at)
}

// send makes a sealed transaction durable, and then hands it in. Were it handed in and not on the disk after a crash, another one of
// its nonce could be sealed: the second to be ordered would be opened and end, for all to read. Doing both at the same time would save
// the sync of a disk.
func (d *Intake) send(ctx context.Context, item outbox.Item, tx *transaction, sealed []byte) error {
	if err := d.o.store(item, tx.raw, sealed); err != nil {
		return err
	}
	return d.submit(ctx, item, sealed)
}

// submit hands a sealed transaction in until the rollup has it.
func (d *Intake) submit(ctx context.Context, item outbox.Item, sealed []byte) error {
	return persist(ctx, func(ctx context.Context) error {
		err := d.o.Leader.Submit(ctx, sealed)
		if refusal := (*rollup.Refusal)(nil); !errors.As(err, &refusal) {
			return err
		}
		return d.o.explain(ctx, item, err)
	})
}

// explain finds out what a refusal means: nothing if an earlier attempt, or one whose answer was lost, brought the transaction
// there.
func (o *Options) explain(ctx context.Context, item outbox.Item, refusal error) error {
	next, err := o.Leader.NextSeq(ctx, o.submitter()) // first: of what is below its seq, the status is known then
	if err != nil {
		return unexplained(refusal, err)
	}
	states, err := o.Leader.Statuses(ctx, []common.Hash{item.ID})
	switch {
	case err != nil:
		return unexplained(refusal, err)
	case states[0].Held():
		return nil
	case item.Seq < next:
		return errUsed
	case item.Seq-next >= ahead:
		return fmt.Errorf("%w: too many transactions wait before it: %w", rollup.ErrAway, refusal)
	}
	return refusal
}

// unexplained is a refusal of which nobody says what it means: perhaps an earlier attempt got through.
func unexplained(refusal, why error) error {
	return fmt.Errorf("%w to say why it refused: %s: %s", rollup.ErrAway, refusal.Error(), why.Error()) // no refusal itself
}

// persist repeats what the rollup did not answer, until ctx ends.
func persist(ctx context.Context, ask func(context.Context) error) error {
	pause := retry.Policy{First: 50 * time.Millisecond, Longest: time.Second}.New()
	for {
		err := ask(ctx)
		if err == nil || !errors.Is(err, rollup.ErrAway) || pause.Wait(ctx) != nil {
			return err
		}
	}
}
