package recovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"blindseq/kit/content"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
)

// source is a keyholder that was heard, with its attestations in order.
type source struct {
	authority uint32
	last      uint64 // attested or adopted, as it said
	signsFrom uint64 // the lowest number it signs for, 0 while it has no votes and none
	stream    keyholderv1.KeyholderService_GetAttestedClient
	cancel    context.CancelFunc
	err       error // it is as if it had never been heard
	ended     bool  // it has no further say about the numbers it attested
}

// open begins to read the attestations from a number on.
func (s *source) open(ctx context.Context, client keyholderv1.KeyholderServiceClient, from uint64) {
	ctx, s.cancel = context.WithCancel(ctx)
	s.stream, s.err = client.GetAttested(ctx, &keyholderv1.GetAttestedRequest{FromNumber: from})
}

// receive waits for the next message, but not for ever: one that hangs must not hold up the others.
func (s *source) receive(timeout time.Duration) (*keyholderv1.GetAttestedResponse, error) {
	timer := time.AfterFunc(timeout, s.cancel)
	defer timer.Stop()
	return s.stream.Recv()
}

// said is what a keyholder says of a number: nothing, a content it attested, or one that a certificate shows, with locks or
// without: what is certified may be locked by those not heard.
type said struct {
	statement attest.Statement
	content   *preblockv1.Content
	proven    bool
	view      uint64 // of the certificate, or of what it attested
	left      bool   // it attested it in a view that it has left: it may attest anything in the present one
}

// next reads and checks what a keyholder that attested a number has for it. What is not signed by it, or is of another
// number, is nothing.
func (s *source) next(c *committee.Committee, number uint64, timeout time.Duration) (said, error) {
	m, err := s.receive(timeout)
	if errors.Is(err, io.EOF) {
		return said{}, nil
	}
	if err != nil {
		return said{}, fmt.Errorf("read attestation %d of keyholder %d: %w", number, s.authority, err)
	}
	if a := m.GetAdopted(); a != nil {
		held := a.GetContent()
		if held == nil {
			held = m.GetContent() // what it locked is what it attested
		}
		statement, err := certified(c, held, a.GetCertificate())
		if err != nil || statement.Number != number {
			return said{}, nil
		}
		return said{statement: statement, content: held, proven: true, view: a.GetCertificate().GetView()}, nil
	}
	statement, err := attest.Read(c, m.GetAttested())
	if err != nil || content.Check(m.GetContent()) != nil || m.GetAttested().GetAttestation().GetAuthority() != s.authority ||
		attest.StatementOf(c, m.GetContent(), statement.Previous) != statement || statement.Number != number {
		return said{}, nil
	}
	view := m.GetAttested().GetView()
	return said{statement: statement, content: m.GetContent(), view: view, left: m.GetViewChange().GetView() > view}, nil
}

// certified returns the statement that a certificate shows of a content.
func certified(c *committee.Committee, p *preblockv1.Content, cert *preblockv1.Certificate) (attest.Statement, error) {
	if err := content.Check(p); err != nil {
		return attest.Statement{}, err
	}
	return attest.VerifyContent(c, p, cert)
}

// follower goes through the numbers that sources attested.
type follower struct {
	committee *committee.Committee
	sources   []*source
	check     func(*preblockv1.Content) error
	settle    bool // lone contents may be taken in though somebody is not heard
	timeout   time.Duration
}

// content returns what belongs in the log for a number, nil when a new proposal decides that.
func (f *follower) content(number uint64, previous common.Hash) (*preblockv1.Content, error) {
	p := poll{
		size: f.committee.Size(), quorum: f.committee.Quorum(), unheard: f.committee.Size() - len(f.sources), votes: map[attest.Statement]int{},
	}
	contents := map[attest.Statement]*preblockv1.Content{}
	broken := map[attest.Statement]error{} // a look at each content
	breaks := func(one said) bool {
		if _, ok := broken[one.statement]; !ok {
			broken[one.statement] = f.check(one.content)
		}
		return broken[one.statement] != nil
	}
	var shown said // by a certificate, of the highest view
	for _, s := range f.sources {
		one, free := f.ask(s, number)
		switch {
		case s.err != nil, free && !s.signs(number):
			p.unheard++
		case free:
			p.free++
		case one.content == nil || one.statement.Previous != previous:
			s.ended = true // it follows another order from here on
		case one.left:
			p.free++
		case breaks(one):
			s.ended = true
		case one.proven && (shown.content == nil || one.view > shown.view):
			shown = one
		case one.proven:
		default:
			p.votes[one.statement]++
			contents[one.statement] = one.content
		}
	}
	if shown.content != nil {
		return shown.content, nil
	}
	best, verdict := p.choose(f.settle)
	if verdict == unclear {
		return nil, fmt.Errorf("recover number %d: %w", number, errUnclear)
	}
	return contents[best], nil
}

// signs tells whether a keyholder may sign for a number. One that lost its votes may not: what it signed before nobody knows.
func (s *source) signs(number uint64) bool { return s.signsFrom != 0 && number >= s.signsFrom }

// ask returns what a source says of a number; free tells that it attested nothing for it.
func (f *follower) ask(s *source, number uint64) (one said, free bool) {
	switch {
	case s.err != nil, s.last >= number && s.ended:
		return said{}, false
	case s.last < number:
		return said{}, true
	}
	one, s.err = s.next(f.committee, number, f.timeout)
	return one, false
}
