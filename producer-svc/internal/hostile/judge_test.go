package hostile

import (
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/ledger"
	"blindseq/producer-svc/logrecord"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// judge knows what the rules say of a block, and nothing of how the chain comes to it. It says: what was opened is executed
// at its place in its block or has ended there; what its sender or a relay sealed and has ended is not executed from a content
// of the next numbers; and nothing else is kept out.
type judge struct {
	w      *world
	known  map[common.Hash]*transaction
	bars   map[common.Hash]span
	opened map[common.Hash]uint64 // the last number at which it was opened
	room   []candidate
}

// span is after one number, up to another.
type span struct{ after, last uint64 }

func (s span) holds(number uint64) bool { return s.after < number && number <= s.last }

// candidate is a transaction of a block, in the order in which they have to be executed.
type candidate struct {
	hash   common.Hash
	number uint64 // of its content
	sealed *chain.Sealed
}

func newJudge(w *world) *judge {
	return &judge{w: w, known: map[common.Hash]*transaction{}, bars: map[common.Hash]span{}, opened: map[common.Hash]uint64{}}
}

// candidates are what was sealed, then what waits, then the rest of the content.
func (j *judge) candidates(d *decided) (all []candidate) {
	b := ledger.BlockOf(j.w.record(d, logrecord.Parent{}), j.w.bars())
	j.w.stats["unopenable"] += uint64(len(b.Names) - len(b.Sealed))
	for i := range b.Sealed {
		all = append(all, candidate{chain.HashTransaction(b.Sealed[i].Raw), b.Number, &b.Sealed[i]})
	}
	all = append(all, j.room...)
	for _, raw := range append(b.Delayed, b.Transactions...) {
		all = append(all, candidate{hash: chain.HashTransaction(raw), number: b.Number})
	}
	return all
}

// block judges a block: each candidate was executed, has ended or waits, in this order, and what was sealed does not wait.
func (j *judge) block(d *decided) {
	all := j.candidates(d)
	fates := j.fates(all, d.result, false)
	if fates == nil && len(all) > 0 {
		j.w.failf("block %d: %+v of %+v is nothing that the rules allow", d.result.Number, d.result, all)
	}
	j.room = nil
	ended := d.result.Skipped
	for i, is := range fates {
		switch is {
		case executed:
			j.executed(d.result.Number, all[i])
		case hasEnded:
			j.ended(d.result.Number, all[i], ended[0])
			ended = ended[1:]
		case waits:
			j.room = append(j.room, all[i])
			j.w.stats["waited"]++
		}
	}
}

// fate is what became of a candidate in a block.
type fate int

const (
	executed fate = iota
	hasEnded
	waits
)

// fates says what became of each candidate, nil when the result cannot be explained. One transaction can be several candidates,
// so each explanation is tried. After the first that waits nothing that was not sealed is executed.
func (j *judge) fates(all []candidate, r chain.Result, full bool) []fate {
	if len(all) == 0 {
		if len(r.Included)+len(r.Skipped)+len(r.Waiting) > 0 {
			return nil
		}
		return []fate{}
	}
	one := all[0]
	if len(r.Included) > 0 && r.Included[0] == one.hash && !j.broken(one) && (one.sealed != nil || !full) {
		rest := r
		rest.Included = r.Included[1:]
		if found := j.fates(all[1:], rest, full); found != nil {
			return append([]fate{executed}, found...)
		}
	}
	if len(r.Skipped) > 0 && r.Skipped[0].Hash == one.hash && (one.number == r.Number || r.Skipped[0].Reason != chain.ErrBarred.Error()) {
		rest := r
		rest.Skipped = r.Skipped[1:]
		if found := j.fates(all[1:], rest, full); found != nil {
			return append([]fate{hasEnded}, found...)
		}
	}
	if len(r.Waiting) > 0 && r.Waiting[0] == one.hash && one.sealed == nil {
		rest := r
		rest.Waiting = r.Waiting[1:]
		if found := j.fates(all[1:], rest, true); found != nil {
			return append([]fate{waits}, found...)
		}
	}
	return nil
}

// broken: a transaction that is not what its header promised has ended. It may stand in the block once more, and be executed there.
func (j *judge) broken(one candidate) bool {
	tx := j.known[one.hash]
	return one.sealed != nil && tx != nil && (tx.gas > one.sealed.Gas || tx.feeCap < one.sealed.Fee)
}

func (j *judge) executed(number uint64, one candidate) {
	if j.bars[one.hash].holds(one.number) {
		j.w.failf("block %d: %s was executed, of content %d: it was opened and ended at %d", number, one.hash, one.number, j.bars[one.hash].after)
	}
	first, opened := j.opened[one.hash]
	switch {
	case one.sealed != nil:
		j.opened[one.hash] = number
		j.w.stats["opened"]++
		j.w.stats["executed at its place"]++
	case opened && first < number:
		j.w.stats["executed later, readable and public"]++
	}
}

func (j *judge) ended(number uint64, one candidate, s chain.Skipped) {
	barred := j.bars[one.hash].holds(number)
	if kept := s.Reason == chain.ErrBarred.Error(); kept {
		j.w.stats["kept out by a bar"]++
		if !barred {
			j.w.failf("block %d: %s was kept out, and nobody who could bar it had sealed it", number, one.hash)
		}
	}
	if one.sealed == nil {
		if s.BarredUntil != 0 {
			j.w.failf("block %d: %s is barred and was not sealed", number, one.hash)
		}
		return
	}
	j.opened[one.hash] = number
	j.w.stats["opened"]++
	j.w.stats["ended"]++
	want := uint64(0)
	tx := j.known[one.hash]
	if tx != nil && !barred && j.mayBar(one.sealed.Submitter, tx.from.address) {
		want = number + lifetime
		j.bars[one.hash] = span{number, want}
		j.w.stats["barred"]++
	} else if tx != nil && !barred {
		j.w.stats["ended, sealed by a stranger"]++
	}
	if s.BarredUntil != want {
		j.w.failf("block %d: %s, sealed by %s, ended (%s) and is barred until %d, not %d",
			number, one.hash, one.sealed.Submitter, s.Reason, s.BarredUntil, want)
	}
}

// mayBar: the sender itself, or a relay that the chain names.
func (j *judge) mayBar(submitter, sender common.Address) bool {
	return submitter == sender || submitter == crypto.PubkeyToAddress(j.w.relay.PublicKey)
}
