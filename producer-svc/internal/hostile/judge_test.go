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
	r := d.result
	var room []candidate
	for _, one := range j.candidates(d) {
		switch {
		case len(r.Included) > 0 && r.Included[0] == one.hash && !j.broken(one):
			if one.sealed == nil && len(room) > 0 {
				j.w.failf("block %d: %s was executed before %s, which waits and was ordered earlier", r.Number, one.hash, room[0].hash)
			}
			j.executed(r.Number, one)
			r.Included = r.Included[1:]
		case len(r.Skipped) > 0 && r.Skipped[0].Hash == one.hash:
			j.ended(r.Number, one, r.Skipped[0])
			r.Skipped = r.Skipped[1:]
		case one.sealed == nil && len(r.Waiting) > len(room) && r.Waiting[len(room)] == one.hash:
			room = append(room, one)
			j.w.stats["waited"]++
		default:
			j.w.failf("block %d: %+v was neither executed nor ended at its place", r.Number, one)
		}
	}
	if len(r.Included) > 0 || len(r.Skipped) > 0 || len(r.Waiting) > len(room) {
		j.w.failf("block %d: executed %v, ended %v and waiting %v come from nowhere", r.Number, r.Included, r.Skipped, r.Waiting[len(room):])
	}
	j.room = room
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
