package leading

import (
	"blindseq/producer-svc/internal/engine"
	"blindseq/producer-svc/internal/sections"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"blindseq/producer-svc/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// crash is thrown where a process is killed.
type crash struct{}

// mortal kills the process before or after the nth time an effect is done.
func mortal(step string, after bool, nth int) func(sections.Performer) sections.Performer {
	return func(next sections.Performer) sections.Performer {
		return performerFunc(func(ctx context.Context, s *sections.Session, e section.Effect) section.Event {
			if e.Name() != step {
				return next.Perform(ctx, s, e)
			}
			nth--
			if nth == 0 && !after {
				panic(crash{})
			}
			event := next.Perform(ctx, s, e)
			if nth == 0 {
				panic(crash{})
			}
			return event
		})
	}
}

// live runs sections until the process is killed, or all requests are served.
func live(ctx context.Context, w *world, requests []string) (killed bool, blocks map[string]section.Block) {
	blocks = map[string]section.Block{}
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(crash); !ok {
				panic(p)
			}
			killed = true
		}
	}()
	w.guard.Run(ctx, section.Request{Sync: true})
	for _, id := range requests {
		if o := w.guard.Run(ctx, section.Request{ID: id, Force: true}); o.Kind == section.Produced {
			blocks[id] = o.Block
		}
	}
	return false, blocks
}

// A process is killed before and after each step, then its disk is opened again: with the chain where it was and with a
// chain that lost its last blocks. Every request is then made again, with the same id, as its caller would.
func TestKilledAtEveryStepNothingIsLostAndNothingHappensTwice(t *testing.T) {
	requests := []string{"r-1", "r-2", "r-3"}
	steps := []string{"acquire", "request", "await", "fetch", "append", "apply", "publish", "notify", "release"}
	for _, step := range steps {
		for _, after := range []bool{false, true} {
			for _, forgotten := range []uint64{0, 1, 3} {
				for nth := 1; nth <= 3; nth++ {
					name := fmt.Sprintf("%s %d after=%v, chain forgets %d", step, nth, after, forgotten)
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					first := newWorld(t, t.TempDir(), nil, nil, options{wrap: mortal(step, after, nth)})
					killed, acknowledged := live(ctx, first, requests)
					if !killed && step != "fetch" {
						t.Fatalf("%s: the step was not reached", name)
					}
					head := first.chain.Head().Number
					first.chain.Rewind(head - min(head, forgotten))

					second := newWorld(t, copyDir(t, first.dir), first.chain, first.order, options{})
					killed, blocks := live(ctx, second, requests)
					if killed || len(blocks) != len(requests) {
						t.Fatalf("%s: served %v", name, blocks)
					}
					for id, block := range acknowledged {
						if blocks[id] != block {
							t.Errorf("%s: %s was block %+v, is block %+v", name, id, block, blocks[id])
						}
					}
					if second.log.Last() != uint64(len(requests)) {
						t.Errorf("%s: %d blocks for %d requests", name, second.log.Last(), len(requests))
					}
					second.checkHistory(t)
					cancel()
				}
			}
		}
	}
}

func TestAChainAheadOfItsLogIsRefused(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil, options{})
	live(t.Context(), w, []string{"a", "b"})
	empty := newWorld(t, t.TempDir(), nil, nil, options{})
	ahead := engine.New(engine.Deps{Log: empty.log, Chain: w.chain})
	if err := ahead.Replay(t.Context(), slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("accepted")
	}
}

func recordOf(p *preblockv1.Preblock) *blueprintv1.LogRecord {
	c := p.GetContent()
	return &blueprintv1.LogRecord{
		Number: c.GetNumber(), ParentHash: c.GetPreviousBlockHash(), Timestamp: c.GetTimestamp(), Transactions: c.GetTransactions(),
		RequestId: p.GetRequestId(), ContentHash: p.GetContentHash(),
	}
}
