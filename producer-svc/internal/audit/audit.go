package audit

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"math/rand/v2"
	"time"

	"blindseq/producer-svc/blueprint"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"google.golang.org/grpc"
)

const (
	// Every is how often a sample is taken.
	Every       = time.Second
	callTimeout = 5 * time.Second
)

// Leading is the part of the leading producer's API that is looked at; its gRPC client is one.
type Leading interface {
	GetBlueprint(context.Context, *blueprintv1.GetBlueprintRequest, ...grpc.CallOption) (*blueprintv1.GetBlueprintResponse, error)
}

// Deps is what an Audit works with.
type Deps struct {
	Leading Leading
	// Follows says whether another replica is known to lead.
	Follows func() bool
	// Head is the number of the last block here.
	Head func() uint64
	// Own is the blueprint of a number that follows from this replica's log.
	Own func(number uint64) (blueprint.Blueprint, error)
	// Key is the sequencer's public key; nil when this replica does not know it.
	Key ed25519.PublicKey
	// Differs is called with each number whose published blueprint does not follow, and with the chunks.
	Differs func(f Finding, chunks [][]byte)
	Log     *slog.Logger
}

// Audit takes samples. New makes one.
type Audit struct {
	Deps
	seen     uint64 // the head at the last sample
	reported map[uint64]bool
}

// New returns an Audit to Run.
func New(d Deps) *Audit { return &Audit{Deps: d, reported: map[uint64]bool{}} }

// Run takes samples until ctx ends.
func (a *Audit) Run(ctx context.Context) error {
	ticker := time.NewTicker(Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			a.sample(ctx)
		}
	}
}

// sample looks at one of the blocks since the last sample. Which one, the leader cannot foresee.
func (a *Audit) sample(ctx context.Context) {
	head := a.Head()
	if !a.Follows() || head <= a.seen {
		return
	}
	number := a.seen + 1 + rand.Uint64N(head-a.seen)
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := a.Leading.GetBlueprint(ctx, &blueprintv1.GetBlueprintRequest{Number: number})
	if err != nil { // it may be behind, or gone
		a.Log.DebugContext(ctx, "no blueprint to compare", "number", number, "error", err)
		return
	}
	a.seen = head
	chunks := answer.GetBlueprint().GetChunks()
	f, err := Check(a.Key, chunks, a.Own)
	switch {
	case err != nil:
		a.Log.WarnContext(ctx, "blueprint of the leader cannot be compared", "number", number, "error", err)
	case f.Number != number:
		a.Log.WarnContext(ctx, "leader answered with another blueprint", "number", number, "answered", f.Number)
	case !f.Follows() && !a.reported[number]:
		a.reported[number] = true
		a.Differs(f, chunks)
	}
}
