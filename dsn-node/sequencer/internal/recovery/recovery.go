// Package recovery brings a sequencer's log up to what its keyholders attested: after its disk was lost, or went back in
// time with an older copy. Keyholders never sign a second content for a number, so a sequencer that started over, with other
// contents, could decide nothing any more.
//
// It guarantees, while no more than f = size - quorum keyholders are faulty, the dead among them: when Run returns, every
// number that can have been certified is in the log with the content it was certified with; and the numbers after the log
// can still be certified by the keyholders that were heard. It never settles on a content that those heard cannot certify
// by themselves: doing so would gain nothing, and hearing more may show another one.
//
// What fewer attested than show an honest one among them, f or less, it takes in only when nothing else can be certified:
// a liar may have made it up, and what it would choose, with a wrong parent, would halt the rollup. As long as a quorum of
// those heard is free to sign something else, a new proposal is what comes next. ADR 015 has the reasoning and what is left.
// No honest keyholder attests a content that breaks a rule, so one that did counts as if it followed another order.
//
// What the log alone knew, the request and attempt of each proposal, is not recovered. A keyholder that attested a content
// which was given up is shown the certificate over what was decided instead, and locks or adopts that (package rounds); here, what
// it locked or adopted counts, and the certificate of the highest view decides, with or without locks: nothing else can be
// certified in this view, and what it shows may have been final. What a keyholder attested in a view that it has left is no vote any
// more. A keyholder that lost its votes counts as not heard for the numbers it may not sign: it may have
// signed them before.
package recovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"blindseq/kit/retry"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
)

const (
	// askEvery is the pause before keyholders are asked again.
	askEvery = 200 * time.Millisecond
	// patience is how long keyholders that do not answer are waited for, after a quorum was heard, before a content is
	// taken in that a liar may have made up. Those that only start later than the sequencer are heard by then.
	patience = 5 * time.Second
)

// errUnclear says that the answers do not show how to continue; the next attempt may get more.
var errUnclear = errors.New("the keyholders that are heard cannot certify anything for it by themselves, or one attested a content that others may tell more about")

// errTooFew says that fewer than a quorum answered.
var errTooFew = errors.New("too few keyholders answer")

// Log is the sequencer's log.
type Log interface {
	// Accepted is the last number accepted, 0 for none.
	Accepted() uint64
	// Fixed returns when a number is fixed, with the hash of its statement.
	Fixed(ctx context.Context, number uint64) (common.Hash, error)
	// Check examines a content of the next number by the rules.
	Check(c *preblockv1.Content) error
	// Submit accepts a content as the next number's.
	Submit(ctx context.Context, c *preblockv1.Content) error
}

// Options of a recovery. All are needed.
type Options struct {
	Committee *committee.Committee
	Clients   []keyholderv1.KeyholderServiceClient // by authority
	Log       Log
	Timeout   time.Duration       // of one call, and of each message of a stream
	Waiting   func(reason string) // called with the reason before each further attempt
	Logger    *slog.Logger
}

// Run returns when the log holds all that was attested, or ctx ends. It waits for a quorum of keyholders to be heard: a
// certified number was attested by a quorum, and so by more of those heard than any other content for it.
func Run(ctx context.Context, o Options) error {
	var since time.Time // a quorum was heard
	for {
		err := o.attempt(ctx, !since.IsZero() && time.Since(since) >= patience)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if since.IsZero() && !errors.Is(err, errTooFew) {
			since = time.Now()
		}
		o.Waiting(err.Error())
		o.Logger.DebugContext(ctx, "recovery continues", "error", err)
		if retry.Sleep(ctx, askEvery) != nil {
			return nil
		}
	}
}

// attempt asks everyone once and follows what they attested; settle tells that others were waited for long enough.
func (o Options) attempt(ctx context.Context, settle bool) error {
	heard := o.ask(ctx)
	if len(heard) < o.Committee.Quorum() {
		return fmt.Errorf("ask keyholders: %w: %d of %d, %d are needed", errTooFew, len(heard), o.Committee.Size(), o.Committee.Quorum())
	}
	accepted := o.Log.Accepted()
	next := max(accepted+1, o.Committee.First)
	var ahead []uint32
	for _, s := range heard {
		if s.last >= next {
			ahead = append(ahead, s.authority)
		}
	}
	if len(ahead) == 0 {
		return nil
	}
	var previous common.Hash
	if accepted >= o.Committee.First {
		var err error
		if previous, err = o.Log.Fixed(ctx, accepted); err != nil {
			return err
		}
	}
	o.Logger.WarnContext(ctx, "keyholders attested more than the log has; recovering it from them", "from", next, "keyholders", ahead)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the streams
	for _, s := range heard {
		if s.last >= next {
			s.open(ctx, o.Clients[s.authority], next)
		}
	}
	return o.follow(ctx, &follower{committee: o.Committee, sources: heard, check: o.Log.Check, settle: settle, timeout: o.Timeout}, next, previous)
}

// ask returns the keyholders that answered, with how far they attested.
func (o Options) ask(ctx context.Context) (heard []*source) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	answers := make([]*keyholderv1.GetStatusResponse, len(o.Clients))
	var wg sync.WaitGroup
	for i, client := range o.Clients {
		wg.Go(func() {
			if s, err := client.GetStatus(ctx, &keyholderv1.GetStatusRequest{}); err == nil && o.isMember(uint32(i), s) {
				answers[i] = s
			}
		})
	}
	wg.Wait()
	for i, s := range answers {
		if s != nil {
			heard = append(heard, &source{authority: uint32(i), last: s.GetLastNumber(), signsFrom: s.GetSignsFrom()})
		}
	}
	return heard
}

// isMember tells whether an answer is of the keyholder that was meant: one that is listed twice must not count twice.
func (o Options) isMember(authority uint32, s *keyholderv1.GetStatusResponse) bool {
	address, _ := o.Committee.Address(authority)
	return s.GetAuthority() == authority && common.BytesToAddress(s.GetAddress()) == address &&
		common.BytesToHash(s.GetCommitteeHash()) == o.Committee.Hash()
}

// follow submits what was attested, number by number, until a new proposal may come.
func (o Options) follow(ctx context.Context, f *follower, next uint64, previous common.Hash) error {
	for ; ; next++ {
		c, err := f.content(next, previous)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil || c == nil {
			return err
		}
		if err := o.Log.Submit(ctx, c); err != nil {
			return err
		}
		if previous, err = o.Log.Fixed(ctx, next); err != nil {
			return err
		}
	}
}
