package recovery

import (
	"bytes"

	"blindseq/seal/attest"
)

// poll is what those heard say of one number.
type poll struct {
	size, quorum int
	unheard      int // said nothing, or may not sign for it; the others that neither voted nor are free attested something that does not follow
	free         int // attested nothing for the number
	votes        map[attest.Statement]int
}

type verdict int

const (
	unclear  verdict = iota
	fresh            // nothing can have been certified, and a new content can be
	attested         // the content that was chosen
)

// choose decides about a number. settle tells that those not heard were waited for long enough.
//
// With f = size - quorum faulty ones, those not heard among them, no more than max(f, unheard) attestations of a content can
// be kept from us. f + 1 votes have an honest one among them. At most one content with so many votes can be certified by
// those heard, and no other one beside it.
func (p poll) choose(settle bool) (attest.Statement, verdict) {
	most, best, votes := p.count()
	faulty := p.size - p.quorum
	lone := votes <= faulty
	switch {
	case p.unheard > faulty:
		return attest.Statement{}, unclear
	case most == 0:
		return attest.Statement{}, fresh
	case most+faulty < p.quorum && p.free >= p.quorum:
		return attest.Statement{}, fresh
	case votes == 0, lone && p.unheard > 0 && !settle:
		return attest.Statement{}, unclear
	}
	return best, attested
}

// count returns the most votes any content has; and of the contents that those heard can certify by themselves the one with
// the most votes, of equals the one with the smallest hash.
func (p poll) count() (most int, best attest.Statement, votes int) {
	for s, n := range p.votes {
		most = max(most, n)
		if n+p.free < p.quorum || n < votes {
			continue
		}
		if n > votes || bytes.Compare(s.Content[:], best.Content[:]) < 0 {
			best, votes = s, n
		}
	}
	return most, best, votes
}
