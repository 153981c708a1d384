package sim

import (
	"slices"

	"blindseq/kit/content"
	"blindseq/producer-svc/section"
	"blindseq/proposer-svc/queue"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// The defects that change values on their way. Without a defect each function returns its argument.

func (w *world) spoilContent(p *producerNode, c *blueprintv1.GetProposalContentResponse) *blueprintv1.GetProposalContentResponse {
	w.addHostile(p, c.GetContent())
	if old := p.chain.sealed(); w.bug(ForgetsTheWindow) && len(old) > 0 && c.GetContent() != nil && w.rng.IntN(4) == 0 {
		c.Content.Transactions = append([][]byte{old[w.rng.IntN(len(old))]}, c.GetContent().GetTransactions()...)
	}
	heads := p.chain.heads
	switch head := p.chain.head(); {
	case w.bug(WrongParent) && head.Number > 2:
		c.Content.PreviousBlockHash = heads[len(heads)-2].Hash[:]
	case w.bug(TimestampGoesBack) && head.Number > 2:
		c.Content.Timestamp = &timestamppb.Timestamp{Seconds: head.Time - 10}
	}
	return c
}

func (w *world) spoilRecord(p *producerNode, rec *blueprintv1.LogRecord) {
	if txs := rec.GetTransactions(); w.bug(RecordsOtherContent) && len(txs) > 1 {
		rec.Transactions = txs[:len(txs)-1]
	}
}

func (w *world) spoilExecution(p *producerNode, rec *blueprintv1.LogRecord) *blueprintv1.LogRecord {
	if w.bug(ExecutesDifferently) && p.life > 1 && len(rec.GetTransactions()) > 0 {
		rec = proto.CloneOf(rec)
		rec.Transactions = rec.GetTransactions()[1:]
	}
	return rec
}

// spoilRoom changes what waits for gas when a producer starts.
func (p *producerNode) spoilRoom() {
	switch {
	case p.w.bug(ForgetsBars):
		p.chain.bars = map[content.Hash]bar{}
	case p.w.bug(ForgetsWhatWaits):
		p.chain.waiting = nil
	case p.w.bug(ReordersWhatWaits):
		p.chain.waiting = slices.Clone(p.chain.waiting)
		slices.Reverse(p.chain.waiting)
	}
}

// spoilRefusal is the digest after a refusal.
func (p *producerNode) spoilRefusal(raw []byte) content.Hash {
	if p.w.bug(StoresWhatItRefuses) {
		p.txs.append(transaction{raw: append(slices.Clone(raw), make([]byte, 4)...)})
	}
	return p.digest()
}

// spoilProposal is what is submitted, under the id of which request.
func (w *world) spoilProposal(c *preblockv1.Content, r queue.Request) *preblockv1.Preblock {
	p := proposalOf(c, r)
	if w.bug(LabelsWithTheLastRequest) {
		p.RequestId, w.lastID = w.lastID, r.ID
	}
	return p
}

// second is another content for the same attempt.
func second(p *preblockv1.Preblock) *preblockv1.Preblock {
	c := proto.CloneOf(p.GetContent())
	c.Timestamp.Seconds++
	return proposalOf(c, queue.Request{ID: p.GetRequestId(), Attempt: p.GetAttempt()})
}

// spoilResult is what a caller is answered.
func (w *world) spoilResult(p *producerNode, r section.Result) section.Result {
	if w.bug(AnswersAnotherBlock) && r.Kind == section.Produced && r.Block.Number > 1 {
		r.Block.Head = p.chain.heads[r.Block.Number-1]
	}
	return r
}

// spoilLock gives a lock to one who may not have it, or the token of the one before.
func (w *world) spoilLock(k *keys, name string, now int64) {
	r := k.lock(name)
	switch {
	case w.bug(TakesAHeldLock) && r.Attempt != "" && w.rng.IntN(4) == 0:
		r.Renew(now-2*lockTTL.Milliseconds(), 0, r.Attempt)
	case w.bug(ReusesAToken) && r.Attempt == "" && r.Last > 0:
		r.Last--
	}
}

// spoilTakeover is what a new active proposer does to the FIFO.
func (w *world) spoilTakeover(k *keys) {
	if v := k.fifo.View(""); w.bug(LosesTheOneInFlight) && v.Current != nil {
		rest := k.fifo.Waiting()[1:]
		k.fifo.Wipe()
		for _, r := range rest {
			_, _ = k.fifo.Apply(queue.Enqueue{Request: r})
		}
	}
}

func proposalOf(c *preblockv1.Content, r queue.Request) *preblockv1.Preblock {
	hash := content.HashOf(c)
	return &preblockv1.Preblock{Content: c, ContentHash: hash[:], RequestId: r.ID, Attempt: r.Attempt}
}
