package dkg

import (
	"context"
	"log/slog"
	"time"

	"blindseq/dsn-node/dkg/internal/ceremony"
	"blindseq/kit/retry"
	dkgv1 "blindseq/proto/blindseq/dkg/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

const (
	attemptTimeout = 5 * time.Second
	// patience is how many attempts may fail before it is logged.
	patience = 5
)

// pauses are between attempts to deliver a message.
var pauses = retry.Policy{First: 50 * time.Millisecond, Longest: time.Second}

// letter is a message on its way; its arrival is reported if it is our finish.
type letter struct {
	message *ceremony.Message
	report  bool
}

// outbox brings messages to one participant, in order, repeating until they are taken or the ceremony is over.
type outbox struct {
	peer   uint8
	client dkgv1.CeremonyServiceClient
	queue  chan letter
	log    *slog.Logger
}

// newOutbox has room for all that one participant says and passes on.
func newOutbox(peer uint8, participants int, client dkgv1.CeremonyServiceClient, log *slog.Logger) *outbox {
	return &outbox{peer: peer, client: client, queue: make(chan letter, participants+8), log: log}
}

func (o *outbox) put(l letter) { o.queue <- l }

// run sends until ctx ends or, once the ceremony is over, the queue is empty or the other one does not answer.
func (o *outbox) run(ctx context.Context, ended <-chan struct{}, delivered chan<- uint8) {
	for {
		select {
		case l := <-o.queue:
			if !o.bring(ctx, ended, l.message) {
				return
			}
			if l.report {
				select {
				case delivered <- o.peer:
				case <-ended:
				}
			}
		case <-ended:
			o.drain(ctx)
			return
		case <-ctx.Done():
			return
		}
	}
}

// drain sends what is left, without waiting for anybody.
func (o *outbox) drain(ctx context.Context) {
	for {
		select {
		case l := <-o.queue:
			if err := o.deliver(ctx, l.message, false); err != nil {
				o.log.DebugContext(ctx, "last message not delivered", "to", o.peer, "kind", l.message.Kind, "error", err)
				return
			}
		default:
			return
		}
	}
}

// bring repeats until the message is taken. When the ceremony ends meanwhile, there is one attempt more.
func (o *outbox) bring(ctx context.Context, ended <-chan struct{}, msg *ceremony.Message) bool {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-ended:
			cancel()
		case <-stop:
		}
	}()
	pause := pauses.New()
	for {
		err := o.deliver(waiting, msg, true)
		if err == nil {
			return true
		}
		if waiting.Err() != nil {
			return o.deliver(ctx, msg, false) == nil
		}
		if pause.Failures() >= patience {
			o.log.WarnContext(ctx, "participant does not take a message", "participant", o.peer, "kind", msg.Kind,
				"code", status.Code(err), "error", err)
		}
		_ = pause.Wait(waiting) // the next attempt finds out
	}
}

func (o *outbox) deliver(ctx context.Context, msg *ceremony.Message, wait bool) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	_, err := o.client.Deliver(ctx, &dkgv1.DeliverRequest{Message: toWire(msg)}, grpc.WaitForReady(wait))
	return err
}
