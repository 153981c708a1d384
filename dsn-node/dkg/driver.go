package dkg

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"blindseq/dsn-node/dkg/internal/ceremony"
	"blindseq/kit/grpckit"
	"blindseq/kit/host"
	dkgv1 "blindseq/proto/blindseq/dkg/v1"
)

// driver carries out the effects of the ceremony and gives it the events. Its fields but the channels are of the goroutine in decide.
type driver struct {
	dkgv1.UnimplementedCeremonyServiceServer

	host     *host.Host
	server   *grpckit.Server
	state    *ceremony.State
	stage    *stage
	outboxes []*outbox
	log      *slog.Logger
	timeouts map[bool]time.Duration // true: of the first phase

	received  chan received
	delivered chan uint8    // who has our finish
	ended     chan struct{} // closed when the ceremony is over here

	deadline *time.Timer
	phase    ceremony.Phase // that the deadline is of
	summary  *Summary
	err      error
}

type received struct {
	message *ceremony.Message
	answer  chan<- error // of capacity 1
}

// decide runs the ceremony to its end.
func (d *driver) decide(ctx context.Context) {
	defer close(d.ended)
	d.deadline = time.NewTimer(d.timeouts[true])
	defer d.deadline.Stop()
	stopping := ctx.Done()
	d.step(ctx, ceremony.Started{})
	for d.state.Phase() < ceremony.Done {
		select {
		case r := <-d.received:
			var effects []ceremony.Effect
			var err error
			d.state, effects, err = ceremony.Next(d.state, ceremony.Received{Message: r.message})
			r.answer <- err
			if err == nil {
				d.log.InfoContext(ctx, "message received", "kind", r.message.Kind, "from", r.message.Sender,
					"phase", d.state.Phase(), "missing", fmt.Sprint(d.state.Missing()))
			}
			d.do(ctx, effects)
		case peer := <-d.delivered:
			d.step(ctx, ceremony.Acknowledged{By: peer})
		case <-d.deadline.C:
			d.step(ctx, ceremony.Expired{Phase: d.phase})
		case <-stopping:
			stopping = nil
			d.step(ctx, ceremony.Stopped{Reason: context.Cause(ctx)})
		}
	}
}

// step gives the ceremony an event that it does not refuse, and carries out the effects.
func (d *driver) step(ctx context.Context, e ceremony.Event) {
	state, effects, err := ceremony.Next(d.state, e)
	if err != nil {
		d.err = err
		return
	}
	d.state = state
	d.do(ctx, effects)
}

// do carries effects out in their order.
func (d *driver) do(ctx context.Context, effects []ceremony.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case ceremony.Send:
			d.send(e.Message, true)
		case ceremony.Relay:
			d.send(e.Message, false)
		case ceremony.Enter:
			d.log.InfoContext(ctx, "phase begins", "phase", e.Phase)
			d.phase = e.Phase
			d.deadline.Reset(d.timeouts[e.Phase == ceremony.Committing])
		case ceremony.Stage:
			d.keep(ctx, e.Result)
		case ceremony.Publish:
			d.err = d.stage.publish()
		case ceremony.Fail:
			d.fail(e.Failure)
		}
	}
}

func (d *driver) send(msg *ceremony.Message, ours bool) {
	for _, o := range d.outboxes {
		if o.peer != msg.Sender {
			o.put(letter{msg, ours && msg.Kind == ceremony.Finish})
		}
	}
}

// keep stages a result and continues.
func (d *driver) keep(ctx context.Context, r ceremony.Result) {
	key := r.Committee.Keys.Point()
	d.summary = &Summary{
		Authority: r.Share.Authority(), Share: d.stage.share(), Committee: d.stage.committee(), Hash: r.Committee.Hash(),
		Transcript: r.Transcript, Key: key, Fingerprint: Fingerprint(key),
	}
	if err := d.stage.write(r); err != nil {
		d.step(ctx, ceremony.Stopped{Reason: err})
		return
	}
	d.step(ctx, ceremony.Staged{})
}

// fail keeps what was staged only when the others may have published theirs.
func (d *driver) fail(f *ceremony.Failure) {
	d.err = f
	if f.Undecided {
		d.err = fmt.Errorf("%w; the others may have a key: if one of them has the committee %s, move %s to %s, else remove it",
			f, d.summary.Hash, d.stage.pending, d.stage.out)
	} else if err := d.stage.discard(); err != nil {
		d.err = fmt.Errorf("%w; %w", f, err)
	}
	d.summary = nil
}
