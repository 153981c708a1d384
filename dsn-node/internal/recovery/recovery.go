// Package recovery brings a sequencer's log up to what its keyholders attested: after its disk was lost, or went back in
// time with an older copy. Keyholders never sign a second content for a number, so a sequencer that began anew, with other
// contents, could decide nothing any more.
//
// It guarantees, while no more keyholders are faulty than may be: when Run returns, every number that can have been certified
// is in the log with the content it was certified with; and nothing is in the log that no honest keyholder attested, so
// that one liar cannot choose what comes next. What the log alone knew, the request and attempt of each proposal, is not
// recovered. A keyholder that alone attested a content which then was not certified and is lost is shown the certificate over
// what was decided instead, and adopts that (package round); here, what it adopted counts, and its certificate decides.
package recovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"blindseq/dsn-node/attest"
	"blindseq/dsn-node/committee"
	"blindseq/kit/content"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/common"
)

// askEvery is the pause before keyholders are asked again.
const askEvery = 200 * time.Millisecond

// errUnclear says that what was heard does not tell which content a number has; the next attempt may hear more.
var errUnclear = errors.New("too few keyholders are heard to tell which content was certified")

// Log is the sequencer's log.
type Log interface {
	// Accepted is the last number accepted, 0 for none.
	Accepted() uint64
	// Fixed returns when a number is fixed, with the hash of its statement.
	Fixed(ctx context.Context, number uint64) (common.Hash, error)
	// Submit accepts a content as the next number's.
	Submit(ctx context.Context, c *preblockv1.Content) error
}

// Options of a recovery. All are needed.
type Options struct {
	Committee *committee.Committee
	Clients   []keyholderv1.KeyholderServiceClient // by authority
	Log       Log
	Timeout   time.Duration // of one call
	Logger    *slog.Logger
}

// Run returns when the log holds all that was attested, or ctx ends. It waits for a quorum of keyholders to be heard: a
// certified number was attested by a quorum, and so by more of those heard than any other content for it.
func Run(ctx context.Context, o Options) error {
	for {
		err := run(ctx, o)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		o.Logger.DebugContext(ctx, "recovery goes on", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(askEvery):
		}
	}
}

// run does one attempt.
func run(ctx context.Context, o Options) error {
	ahead, heard := o.ask(ctx)
	if heard < o.Committee.Quorum() {
		return fmt.Errorf("ask keyholders: %d of %d answer, %d are needed", heard, o.Committee.Size(), o.Committee.Quorum())
	}
	if len(ahead) == 0 {
		return nil
	}
	accepted := o.Log.Accepted()
	var previous common.Hash
	next := max(accepted+1, o.Committee.First)
	if accepted >= o.Committee.First {
		var err error
		if previous, err = o.Log.Fixed(ctx, accepted); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the streams
	sources, err := o.open(ctx, ahead, next)
	if err != nil {
		return err
	}
	o.Logger.WarnContext(ctx, "the log is behind what keyholders attested; recovering it from them", "from", next, "keyholders", len(sources))
	return o.follow(ctx, &follower{sources: sources, unheard: o.Committee.Size() - heard}, next, previous)
}

// ask returns who attested more than the log has, and how many answered.
func (o Options) ask(ctx context.Context) (ahead []int, heard int) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	last := make([]*keyholderv1.GetStatusResponse, len(o.Clients))
	var wg sync.WaitGroup
	for i, client := range o.Clients {
		wg.Go(func() {
			if s, err := client.GetStatus(ctx, &keyholderv1.GetStatusRequest{}); err == nil {
				last[i] = s
			}
		})
	}
	wg.Wait()
	for i, s := range last {
		if s != nil {
			heard++
		}
		if s.GetLastNumber() > o.Log.Accepted() {
			ahead = append(ahead, i)
		}
	}
	return ahead, heard
}

// source is one keyholder's attestations, in order.
type source struct {
	authority uint32
	stream    keyholderv1.KeyholderService_GetAttestedClient
	ended     bool
}

func (o Options) open(ctx context.Context, ahead []int, from uint64) ([]*source, error) {
	var out []*source
	for _, i := range ahead {
		stream, err := o.Clients[i].GetAttested(ctx, &keyholderv1.GetAttestedRequest{FromNumber: from})
		if err != nil {
			return nil, fmt.Errorf("read attestations of keyholder %d: %w", i, err)
		}
		out = append(out, &source{authority: uint32(i), stream: stream})
	}
	return out, nil
}

// follower is the state of following the sources.
type follower struct {
	sources []*source
	unheard int
}

// follow submits what was attested, number by number, until nothing more can have been certified.
func (o Options) follow(ctx context.Context, f *follower, next uint64, previous common.Hash) error {
	for ; ; next++ {
		c, err := f.content(o.Committee, next, previous)
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

// content returns what was attested for a number, nil when nothing can have been certified for it.
func (f *follower) content(c *committee.Committee, number uint64, previous common.Hash) (*preblockv1.Content, error) {
	votes := map[attest.Statement]int{}
	contents := map[attest.Statement]*preblockv1.Content{}
	var best attest.Statement
	var shown *preblockv1.Content // by a certificate
	for _, s := range f.sources {
		statement, content, proven, err := s.next(c, number)
		if err != nil {
			s.ended = true // as if it had never been heard
			f.unheard++
			continue
		}
		if content == nil || statement.Previous != previous {
			s.ended = true // it follows another order from here on
			continue
		}
		if proven {
			shown = content
			continue
		}
		votes[statement]++
		contents[statement] = content
		if votes[statement] > votes[best] {
			best = statement
		}
	}
	if shown != nil {
		return shown, nil
	}
	switch judge(c.Size(), c.Quorum(), f.unheard, votes[best]) {
	case certified:
		return contents[best], nil
	case unclear:
		return nil, fmt.Errorf("recover number %d: %w", number, errUnclear)
	}
	return nil, nil
}

type verdict int

const (
	notCertified verdict = iota
	certified            // or attested by an honest keyholder at least, which does as well
	unclear
)

// judge decides about the content with the most votes. With f = size - quorum faulty ones, f + 1 votes have an honest one
// among them, and those not heard count as faulty: no more than max(f, unheard) attestations can be kept from us.
func judge(size, quorum, unheard, votes int) verdict {
	faulty := size - quorum
	switch {
	case votes == 0 || votes+max(faulty, unheard) < quorum:
		return notCertified
	case votes > faulty || unheard == 0:
		return certified
	}
	return unclear
}

// next reads and checks what a keyholder has for a number; without a content that is nothing. proven tells that it showed a
// certificate over it.
func (s *source) next(c *committee.Committee, number uint64) (_ attest.Statement, _ *preblockv1.Content, proven bool, _ error) {
	if s.ended {
		return attest.Statement{}, nil, false, nil
	}
	m, err := s.stream.Recv()
	if errors.Is(err, io.EOF) {
		return attest.Statement{}, nil, false, nil
	}
	if err != nil {
		return attest.Statement{}, nil, false, fmt.Errorf("read attestation %d of keyholder %d: %w", number, s.authority, err)
	}
	if a := m.GetAdopted(); a != nil {
		statement, err := adopted(c, a)
		if err != nil || statement.Number != number {
			return attest.Statement{}, nil, false, nil // it lies, and has no say
		}
		return statement, a.GetContent(), true, nil
	}
	statement, err := attest.Read(c, m.GetAttested())
	if err != nil || content.Check(m.GetContent()) != nil || m.GetAttested().GetAttestation().GetAuthority() != s.authority ||
		attest.StatementOf(c, m.GetContent(), statement.Previous) != statement || statement.Number != number {
		return attest.Statement{}, nil, false, nil // it lies or is damaged, and has no say
	}
	return statement, m.GetContent(), false, nil
}

// adopted returns the statement that a certificate shows of its content.
func adopted(c *committee.Committee, a *keyholderv1.Adopted) (attest.Statement, error) {
	if err := content.Check(a.GetContent()); err != nil {
		return attest.Statement{}, err
	}
	if _, err := attest.VerifyPreblock(c, &preblockv1.Preblock{Content: a.GetContent(), Certificate: a.GetCertificate()}); err != nil {
		return attest.Statement{}, err
	}
	return attest.StatementOf(c, a.GetContent(), common.Hash(a.GetCertificate().GetPreviousPayloadHash())), nil
}
