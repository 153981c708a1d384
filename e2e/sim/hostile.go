package sim

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"

	"blindseq/dsn-node/sequencer/round"
	"blindseq/kit/content"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
)

// Hostile is what the leader and the sequencer of a schedule do. Both seal transactions of their own and put them into contents;
// the sequencer asks keyholders, one at a time and whenever it likes, for everything that they must not give.
type Hostile uint8

// What a hostile sequencer does besides.
const (
	Honest      Hostile = iota
	TwoContents         // it shows one keyholder another content first, number after number
	EmptyDisk           // one keyholder loses its disk, and the sequencer asks it for what it may have signed before
)

// shortLifetime is the lifetime of a chain with a hostile leader, so that its window forgets.
const shortLifetime = 4

// baseFee is that of every block.
const baseFee = 5

// NewHostilePlan draws a schedule with a hostile leader and sequencer.
func NewHostilePlan(seed uint64) Plan {
	p := NewPlan(seed)
	p.Hostile = TwoContents + Hostile(seed%2)
	p.Faults = slices.DeleteFunc(p.Faults, func(f Fault) bool { return f.Kind == LostDisk })
	if p.Hostile == EmptyDisk {
		rng := rand.New(rand.NewPCG(seed, 0xd15c))
		p.Faults = append(p.Faults, Fault{
			Kind: LostDisk, At: calm + span(rng, 200*time.Millisecond, faulty-calm), For: span(rng, 5*time.Millisecond, 100*time.Millisecond),
			Target: Processes()[len(Processes())-1-rng.IntN(members)],
		})
	}
	return p
}

// victim is the keyholder that is shown other contents.
func (w *world) victim() uint8 { return uint8(w.plan.Seed / 2 % members) }

// hostileTx is a sealed transaction of an account of the leader's.
func hostileTx(account byte, nonce, seq uint16, expiry uint64, fee byte) []byte {
	inner := append(binary.BigEndian.AppendUint16([]byte{account}, nonce), 1)
	return sealedAs(inner, account, seq, expiry, fee)
}

// innerSize is the size of what is inside.
const innerSize = 4

// sealedAs seals a transaction by a submitter.
func sealedAs(inner []byte, submitter byte, seq uint16, expiry uint64, fee byte) []byte {
	raw := binary.BigEndian.AppendUint16(slices.Clone(inner[:innerSize]), seq)
	raw = binary.BigEndian.AppendUint16(raw, uint16(expiry))
	return append(raw, fee, submitter, secret)
}

// bySubmitter says whether a transaction is sealed with a submitter that can be another than its sender.
func bySubmitter(raw []byte) bool { return len(raw) == innerSize+7 }

// submitterOf is the submitter of such a one.
func submitterOf(raw []byte) byte { return raw[innerSize+5] }

// addHostile puts transactions of the leader's into its content, at their right seqs: some are not due and end, or are barred
// since they ended. It seals, too, what wallets sent in public, where it fails.
func (w *world) addHostile(p *producerNode, c *preblockv1.Content) {
	if w.plan.Hostile == Honest || c == nil || w.ending {
		return
	}
	so := &preblockv1.Content{Number: c.GetNumber()}
	for range w.rng.IntN(3) {
		account := 100 + byte(w.rng.IntN(3))
		inner := append(binary.BigEndian.AppendUint16([]byte{account}, p.chain.nonces[account]+uint16(w.rng.IntN(3)/2)), 1)
		if others := p.notDue(); len(others) > 0 && w.rng.IntN(2) == 0 {
			inner = others[w.rng.IntN(len(others))]
		}
		expiry := c.GetNumber() + w.rng.Uint64N(shortLifetime+1)
		so.Transactions = append(so.GetTransactions(), sealedAs(inner, account, uint16(w.nextSeq(so, account)), expiry, baseFee))
	}
	c.Transactions = append(so.GetTransactions(), c.GetTransactions()...)
}

// notDue are pending transactions that come after another pending one of their account.
func (p *producerNode) notDue() (all [][]byte) {
	for _, t := range p.txs.recs {
		if !p.removed[t.hash] && nonceOf(t.raw) > p.chain.nonces[accountOf(t.raw)] {
			all = append(all, t.raw)
		}
	}
	return all
}

// nextSeq is the next seq of a submitter after a content, by all contents before, without a window.
func (w *world) nextSeq(c *preblockv1.Content, account byte) uint64 {
	for number := c.GetNumber(); number > 0 && number+w.limits.Lifetime >= c.GetNumber(); number-- {
		in := c
		if number < c.GetNumber() {
			p, _ := w.sequencer.decisions.get(number)
			in = p.GetContent()
		}
		headers := w.headersOf(in)
		for _, h := range slices.Backward(headers) {
			if h.Submitter == (common.Address{19: account}) {
				return h.Seq + 1
			}
		}
	}
	return 0
}

// breaks is the rule that a content breaks, as somebody sees it who knows all contents before; "" for none.
func (w *world) breaks(c *preblockv1.Content) string {
	before, ok := w.sequencer.decisions.get(c.GetNumber() - 1)
	if ok && c.GetTimestamp().GetSeconds() < before.GetContent().GetTimestamp().GetSeconds() {
		return "timestamp"
	}
	so := &preblockv1.Content{Number: c.GetNumber()}
	for i, h := range w.headersOf(c) {
		switch {
		case h.Expiry < c.GetNumber() || h.Expiry > c.GetNumber()+w.limits.Lifetime:
			return "expiry"
		case h.Fee < c.GetBaseFee():
			return "fee"
		case h.Seq != w.nextSeq(so, h.Submitter[19]):
			return "seq"
		}
		so.Transactions = append(so.GetTransactions(), sealedIn(c)[i])
	}
	return ""
}

// forbidden is a content that breaks a rule, in the place of another.
func (w *world) forbidden(honest *preblockv1.Content) *preblockv1.Content {
	c := proto.CloneOf(honest)
	n, account := c.GetNumber(), 100+byte(w.rng.IntN(3))
	seq := uint16(w.nextSeq(c, account))
	raw := hostileTx(account, 0, seq, n, baseFee)
	switch w.rng.IntN(6) {
	case 0:
		raw = hostileTx(account, 0, seq, n-1, baseFee)
	case 1:
		raw = hostileTx(account, 0, seq, n+shortLifetime+1, baseFee)
	case 2:
		raw = hostileTx(account, 0, seq+1, n, baseFee)
	case 3:
		raw = hostileTx(account, 0, seq, n, baseFee-1)
	case 4:
		if raw = w.orderedBefore(n); raw == nil {
			raw = hostileTx(account, 0, seq+1, n, baseFee)
		}
	case 5:
		c.Timestamp.Seconds -= 1000
	}
	c.Transactions = append([][]byte{raw}, c.GetTransactions()...)
	return c
}

// orderedBefore begins the seqs of a submitter anew, lifetime numbers after its last.
func (w *world) orderedBefore(number uint64) []byte {
	p, _ := w.sequencer.decisions.get(max(number, shortLifetime) - shortLifetime)
	for _, h := range w.headersOf(p.GetContent()) {
		if account := h.Submitter[19]; account >= 100 && w.nextSeq(&preblockv1.Content{Number: number}, account) > 0 {
			return hostileTx(account, 0, 0, number, baseFee)
		}
	}
	return nil
}

// harm has a keyholder asked, beside the round, for something that it must not give. The answer does not matter.
func (f *follower) harm(r *openRound) {
	w := f.s.w
	if w.plan.Hostile == Honest || w.ending || w.rng.IntN(2) == 0 {
		return
	}
	k, honest := f.keyholder(), r.proposal.GetContent()
	w.stats.Harms++
	switch w.rng.IntN(6) {
	case 0: // the next number, while this one is not final; only one keyholder, which may have it in time to sign
		if !r.final && r.cert != nil && w.plan.Hostile == TwoContents && f.by == w.victim() {
			f.asks(k, proposal{statementOfContent(empty(honest, 1), r.statement.Hash()), empty(honest, 1), r.cert})
		}
	case 1: // a lock of what too few have attested, or shares of it
		cert := r.certificate(r.state.Attested().First(quorum - 1))
		forged := r.certificate(round.Set{}.With(0).With(1).With(2).With(3))
		f.tell(func(answer func(bool, error)) { k.lock(pickOne(w.rng, cert, forged), honest, answer) })
	case 2: // shares of what is certified alone, or locked by too few
		cert := r.certificate(r.state.Attested())
		cert.Locks = r.certificate(r.state.Locked().First(quorum - 1)).GetAttestations()
		f.tell(func(answer func(bool, error)) { k.release(cert, answer) })
	case 3:
		c := w.forbidden(honest)
		f.asks(k, proposal{statementOfContent(c, r.statement.Previous), c, r.previous})
	case 4: // something old again
		if p, ok := f.s.decisions.get(1 + w.rng.Uint64N(r.statement.Number)); ok {
			f.again(k, p)
		}
	case 5:
		if w.plan.Hostile == TwoContents && f.by == w.victim() && !r.asked.Has(f.by) {
			c := proto.CloneOf(honest)
			c.Transactions = nil
			f.asks(k, proposal{statementOfContent(c, r.statement.Previous), c, r.previous})
		}
	}
}

// again asks a keyholder that was restored to attest what was decided meanwhile, and any other one for what it did before.
func (f *follower) again(k *keyholder, p *preblockv1.Preblock) {
	if f.next > 0 && f.next < p.GetContent().GetNumber() {
		p, _ = f.s.decisions.get(f.next)
	}
	cert := p.GetCertificate()
	before, _ := f.s.decisions.get(cert.GetNumber() - 1)
	if f.s.w.rng.IntN(2) == 0 {
		f.asks(k, proposal{statementIn(cert), p.GetContent(), before.GetCertificate()})
		return
	}
	f.tell(func(answer func(bool, error)) { k.lock(cert, p.GetContent(), answer) })
}

func (f *follower) asks(k *keyholder, p proposal) {
	call(f.s.process, k.process, keyholderTimeout, func(answer func(attestation, error)) { k.attest(p, answer) }, func(attestation, error) {})
}

func (f *follower) tell(what func(answer func(bool, error))) {
	call(f.s.process, f.keyholder().process, keyholderTimeout, what, func(bool, error) {})
}

// empty is a content without transactions, some numbers after another.
func empty(c *preblockv1.Content, after uint64) *preblockv1.Content {
	return &preblockv1.Content{Number: c.GetNumber() + after, PreviousBlockHash: c.GetPreviousBlockHash(), Timestamp: c.GetTimestamp(), BaseFee: baseFee}
}

func statementOfContent(c *preblockv1.Content, previous common.Hash) attest.Statement {
	return attest.Statement{Number: c.GetNumber(), Previous: previous, Content: common.Hash(content.HashOf(c))}
}

func pickOne[T any](rng *rand.Rand, all ...T) T { return all[rng.IntN(len(all))] }

// otherOutcome makes of a preblock one in which the first sealed transaction did not open. Outcomes that are right are not
// written here, since everything opens.
func (w *world) otherOutcome(p *preblockv1.Preblock) *preblockv1.Preblock {
	if w.plan.Hostile == Honest || w.ending || w.now > quiet || len(sealedIn(p.GetContent())) == 0 || w.rng.IntN(8) > 0 {
		return p
	}
	p = proto.CloneOf(p)
	p.Outcomes = []*preblockv1.Outcome{{Result: &preblockv1.Outcome_Unopenable{Unopenable: &preblockv1.Unopenable{}}}}
	return p
}

// takeOutcomes executes what the outcomes of a preblock say. Only a defect lets one with outcomes come so far.
func takeOutcomes(p *preblockv1.Preblock) *preblockv1.Preblock {
	if len(p.GetOutcomes()) == 0 {
		return p
	}
	p = proto.CloneOf(p)
	p.Outcomes, p.Content.Transactions = nil, slices.DeleteFunc(p.GetContent().GetTransactions(), isSealed)
	return p
}

// checkHeaders checks a content's sealed transactions by seal's rules.
func (w *world) checkHeaders(c *preblockv1.Content, window *rules.Window) error {
	headers := w.headersOf(c)
	switch {
	case w.bug(ExpiryOffByOne):
		for i := range headers {
			headers[i].Expiry++
		}
	case w.bug(IgnoresTheBaseFee):
		c = &preblockv1.Content{Number: c.GetNumber()}
	case w.bug(SkipsASeq):
		w.pretendSeqs(c.GetNumber(), headers, window)
	}
	return rules.CheckHeaders(c, headers, w.limits, window)
}

// pretendSeqs gives headers the seqs that are next.
func (w *world) pretendSeqs(number uint64, headers []seal.Header, window *rules.Window) {
	plan := window.Plan(number)
	for i, h := range headers {
		if next := plan.Take(h.Submitter); h.Seq > next {
			headers[i].Seq = next
		}
	}
}
