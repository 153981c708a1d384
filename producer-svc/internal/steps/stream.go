package steps

import (
	"context"
	"fmt"
	"time"

	"blindseq/kit/retry"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc"
)

// Monitor is where final contents come from before they are opened; its gRPC client is one.
type Monitor interface {
	StreamFinal(context.Context, *preblockv1.StreamFinalRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[preblockv1.StreamFinalResponse], error)
}

// Run follows the stream of final contents while somebody follows a transaction, until ctx ends.
func (t *Tracker) Run(ctx context.Context) error {
	if t.Monitor == nil {
		<-ctx.Done()
		return nil
	}
	pause := retry.Policy{First: 20 * time.Millisecond, Longest: 2 * time.Second}.New()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.entered.C():
		}
		for ctx.Err() == nil && t.Count() > 0 {
			if err := t.stream(ctx, pause.Reset); err != nil && ctx.Err() == nil {
				t.Log.Log(ctx, pause.Level(), "stream of final contents failed, reconnecting", "failures", pause.Failures()+1, "error", err)
				_ = pause.Wait(ctx) // the loop looks at ctx
			}
		}
	}
}

// stream follows one stream until it breaks; it ends without an error when nobody follows any more.
func (t *Tracker) stream(ctx context.Context, up func()) error {
	streaming, cancel := context.WithCancel(ctx)
	defer cancel()
	t.closes(cancel)
	defer t.closes(nil)
	in, err := t.Monitor.StreamFinal(streaming, &preblockv1.StreamFinalRequest{})
	if err != nil {
		return fmt.Errorf("stream final: %w", err)
	}
	for {
		answer, err := in.Recv()
		if streaming.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("stream final: %w", err)
		}
		up()
		t.Final(answer.GetFinal())
	}
}

func (t *Tracker) closes(cancel context.CancelFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeNow = cancel
}

// close ends the stream if nobody follows.
func (t *Tracker) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.followers == 0 && t.closeNow != nil {
		t.closeNow()
	}
}
