package sim

import (
	"errors"
	"fmt"

	"blindseq/dsn-node/keyholder/vote"
	"blindseq/dsn-node/sequencer/round"
	"blindseq/e2e/history"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
)

var (
	errNotCertified = errors.New("no quorum certified it")
	errNotFinal     = errors.New("no quorum locked it")
	errReports      = errors.New("not reports for this challenge")
)

// keyholder decides by vote.Position and vote.Held. Signatures cannot be forged here: the sender of a statement is its signer. It
// checks each content before it signs or follows it, by seal's rules.
type keyholder struct {
	*process
	votes     disk[*ballot] // survives: what is held, the last of each number counts
	signs     disk[uint64]  // survives: the lowest number it signs for, once it is restored
	held      []*ballot     // by number, from 1 on
	challenge uint64        // of this life
	window    *rules.Window
	busy      bool // with a request that changes something; others wait their turn
	waiting   []func()
}

// ballot is what is held for a number, with the content that is followed.
type ballot struct {
	vote.Held
	content *preblockv1.Content
	cert    *preblockv1.Certificate // nil while it is only attested
}

// proposal is a content in its place, with the certificate that shows the number before as final.
type proposal struct {
	statement attest.Statement
	content   *preblockv1.Content
	finality  *preblockv1.Certificate
}

// attestation is what was signed, or why not.
type attestation struct {
	signed  *attest.Statement
	refusal keyholderv1.AttestRefusal
}

// report is what a keyholder tells another that lost its votes.
type report struct {
	by        uint8
	challenge uint64
	number    uint64 // highest that it locked or knows as final, 0 for none
}

func (k *keyholder) recover() {
	k.votes.crash()
	k.signs.crash()
	k.busy, k.waiting = false, nil
	k.held, k.challenge = nil, k.w.rng.Uint64()|1
	locked := uint64(0)
	for _, h := range k.votes.recs {
		number := h.Follows().Number
		k.held = append(k.held[:number-1], h)
		if h.cert != nil {
			locked = number
		}
	}
	k.window = k.windowUpTo(k.last())
	k.w.saw(k.process, history.Recovered, k.last(), nil)
	k.w.saw(k.process, history.RecoveredLocks, locked, nil)
	k.serves()
}

func (k *keyholder) windowUpTo(last uint64) *rules.Window {
	return k.w.windowOf(last, func(number uint64) []seal.Header { return k.w.headersOf(k.held[number-1].content) })
}

// inTurn handles a request when those before it are done.
func inTurn[T any](k *keyholder, answer func(T, error), handle func(answer func(T, error))) {
	if k.busy {
		k.waiting = append(k.waiting, func() { inTurn(k, answer, handle) })
		return
	}
	k.busy = true
	handle(func(v T, err error) {
		k.busy = false
		answer(v, err)
		if len(k.waiting) > 0 {
			next := k.waiting[0]
			k.waiting = k.waiting[1:]
			next()
		}
	})
}

// lose empties the disk.
func (k *keyholder) lose() {
	k.votes, k.signs = disk[*ballot]{}, disk[uint64]{}
	k.w.saw(k.process, history.Lost, 0, nil)
}

func (k *keyholder) last() uint64 { return uint64(len(k.held)) }

// signsFrom is 0 while it is not restored.
func (k *keyholder) signsFrom() uint64 {
	if from, ok := k.signs.get(k.signs.last()); ok {
		return from
	}
	if k.w.bug(RestoredSignsAtOnce) {
		return 1
	}
	return 0
}

func (k *keyholder) position() vote.Position {
	p := vote.Position{First: 1, SignsFrom: k.signsFrom()}
	if n := len(k.held); n > 0 {
		p.Last = k.held[n-1].Held
	}
	return p
}

func (k *keyholder) at(number uint64) *ballot {
	if number == 0 || number > k.last() {
		return &ballot{}
	}
	h := *k.held[number-1]
	h.Final = h.Final || number < k.last() // what comes after it was attested or adopted
	return &h
}

// write keeps what is held for a number: the next one, or another version of the last.
func (k *keyholder) write(h *ballot, forgotten Bug) {
	k.votes.append(h)
	if !k.w.bug(forgotten) {
		k.votes.sync()
	}
	number := h.Follows().Number
	k.held = append(k.held[:number-1], h)
}

func (k *keyholder) attest(p proposal, answer func(attestation, error)) {
	inTurn(k, answer, func(answer func(attestation, error)) { k.takeProposal(p, answer) })
}

func (k *keyholder) takeProposal(p proposal, answer func(attestation, error)) {
	s := p.statement
	if s.Number > 0 && s.Number <= k.last() {
		k.again(s, answer)
		return
	}
	refusal := k.position().Attest(s, 0)
	if refusal == keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_FINAL && (k.finally(p.finality) || k.w.bug(AttestsBeforeFinality)) {
		refusal = vote.Granted
	}
	if refusal != vote.Granted {
		a := attestation{refusal: refusal}
		if signed := k.position().Last.Signed; signed != (attest.Statement{}) {
			a.signed = &signed
		}
		answer(a, nil)
		return
	}
	if err := k.check(p.content); err != nil {
		answer(attestation{}, err)
		return
	}
	k.step(AttestationStored, func() { k.write(&ballot{Held: vote.Held{Signed: s}, content: p.content}, AttestationNotSynced) }, func() {
		_ = k.window.AddHeaders(s.Number, k.w.headersOf(p.content)) // checked above
		k.w.attested(k.process, s, p.content)
		answer(attestation{signed: &s}, nil)
	})
}

// again answers about a number that something is held for.
func (k *keyholder) again(s attest.Statement, answer func(attestation, error)) {
	h := k.at(s.Number)
	signed, refusal := h.Signed, h.Again(s, 0, 0)
	if refusal != 0 && k.w.bug(AttestsTwoContents) {
		signed, refusal = s, 0
	}
	if refusal == 0 {
		k.w.attested(k.process, s, nil)
	}
	answer(attestation{&signed, refusal}, nil)
}

// finally takes note that the last number is final.
func (k *keyholder) finally(cert *preblockv1.Certificate) bool {
	if !k.w.final(cert) || statementIn(cert) != k.position().Last.Follows() {
		return false
	}
	h := *k.held[k.last()-1]
	h.Final = true
	k.held[k.last()-1] = &h
	return true
}

// check checks the next content by the rules.
func (k *keyholder) check(c *preblockv1.Content) error {
	if err := rules.CheckTimestamp(k.at(k.last()).content.GetTimestamp().GetSeconds(), c.GetTimestamp().GetSeconds()); err != nil && !k.w.bug(TakesOldTimestamps) {
		return err
	}
	return k.w.checkHeaders(c, k.window)
}

// lock keeps a certificate and signs a lock.
func (k *keyholder) lock(cert *preblockv1.Certificate, c *preblockv1.Content, answer func(bool, error)) {
	inTurn(k, answer, func(answer func(bool, error)) { k.takeCertificate(cert, c, answer) })
}

func (k *keyholder) takeCertificate(cert *preblockv1.Certificate, c *preblockv1.Content, answer func(bool, error)) {
	s := statementIn(cert)
	h := k.at(s.Number)
	change, err := k.position().Lock(h.Held, s, 0)
	if !k.w.certified(cert) && !k.w.bug(LocksWithoutACertificate) {
		err = errNotCertified
	}
	if err == nil && change == vote.Replace {
		err = k.replaceable(c)
	}
	if err != nil {
		answer(false, err)
		return
	}
	k.step(LockStored, func() { k.keep(change, s, c, cert, LockNotSynced) }, func() {
		k.w.locked(k.process, s)
		answer(true, nil)
	})
}

// adopt follows what is final.
func (k *keyholder) adopt(cert *preblockv1.Certificate, c *preblockv1.Content, answer func(bool, error)) {
	inTurn(k, answer, func(answer func(bool, error)) { k.takeFinal(cert, c, answer) })
}

func (k *keyholder) takeFinal(cert *preblockv1.Certificate, c *preblockv1.Content, answer func(bool, error)) {
	s := statementIn(cert)
	if !k.w.final(cert) {
		answer(false, errNotFinal)
		return
	}
	change, err := k.position().Adopt(k.at(s.Number).Held, s, 0)
	if err == nil && change == vote.Append {
		err = k.check(c)
	}
	if err == nil && change == vote.Replace {
		err = k.replaceable(c)
	}
	if err != nil {
		answer(false, err)
		return
	}
	at := LockStored
	if change == vote.Append {
		at = AttestationStored // written in the same way
	}
	k.step(at, func() { k.keep(change, s, c, cert, NoBug) }, func() { answer(true, nil) })
}

// replaceable checks a content that takes the place of the last one.
func (k *keyholder) replaceable(c *preblockv1.Content) error {
	if !k.window.Rewind(k.last() - 1) {
		k.window = k.windowUpTo(k.last() - 1)
	}
	mine := k.held[k.last()-1]
	k.held = k.held[:k.last()-1]
	err := k.check(c)
	k.held = append(k.held, mine)
	if err != nil {
		_ = k.window.AddHeaders(k.last(), k.w.headersOf(mine.content))
		return err
	}
	return k.window.AddHeaders(k.last(), k.w.headersOf(c))
}

// keep stores what a certificate changes.
func (k *keyholder) keep(change vote.Change, s attest.Statement, c *preblockv1.Content, cert *preblockv1.Certificate, forgotten Bug) {
	h := *k.at(s.Number)
	h.Certified, h.cert, h.Final = s, cert, h.Final || len(cert.GetLocks()) > 0
	switch change {
	case vote.Nothing:
		return
	case vote.Append:
		_ = k.window.AddHeaders(s.Number, k.w.headersOf(c)) // checked before
		h.content = c
	case vote.Replace:
		h.content = c
	}
	k.write(&h, forgotten)
}

// release gives the shares of a final content.
func (k *keyholder) release(cert *preblockv1.Certificate, answer func(bool, error)) {
	s := statementIn(cert)
	err := k.position().Release(k.at(s.Number).Held, s)
	switch {
	case err != nil:
	case !k.w.certified(cert) && !k.w.bug(SharesBeforeTheCertificate):
		err = errNotCertified
	case !k.w.final(cert) && !k.w.bug(SharesBeforeTheCertificate) && !k.w.bug(SharesBeforeFinality):
		err = errNotFinal
	}
	if err != nil {
		answer(false, err)
		return
	}
	k.step(SharesGiven, func() {}, func() {
		k.w.shared(k.process, s)
		answer(true, nil)
	})
}

// report tells how far the order is certified. Who lost its own votes tells it once it has what it may have signed before.
func (k *keyholder) report(challenge uint64) (report, error) {
	from := k.signsFrom()
	if from == 0 && k.last() > 0 || from > 1 && k.last()+1 < from {
		return report{}, vote.ErrRestored
	}
	number := k.last()
	for number > 0 && k.held[number-1].cert == nil {
		number--
	}
	return report{by: k.index(), challenge: challenge, number: number}, nil
}

// restore takes the reports of peers.
func (k *keyholder) restore(reports []report, answer func(bool, error)) {
	inTurn(k, answer, func(answer func(bool, error)) { k.takeReports(reports, answer) })
}

func (k *keyholder) takeReports(reports []report, answer func(bool, error)) {
	if k.signsFrom() > 0 {
		answer(true, nil)
		return
	}
	seen := round.Set{}.With(k.index())
	var certified []uint64
	for _, r := range reports {
		if seen.Has(r.by) || r.challenge != k.challenge {
			answer(false, fmt.Errorf("%w: of %d", errReports, r.by))
			return
		}
		seen, certified = seen.With(r.by), append(certified, r.number)
	}
	from, err := vote.SignsFrom(1, members, quorum, certified)
	if err != nil {
		answer(false, err)
		return
	}
	if k.w.bug(RestoredSignsTooLow) && from > 2 {
		from -= 2
	}
	k.step(RestorationStored, func() {
		k.signs.append(from)
		k.signs.sync()
	}, func() { answer(true, nil) })
}

// statementIn is what a certificate is about.
func statementIn(cert *preblockv1.Certificate) attest.Statement {
	return attest.Statement{
		Number: cert.GetNumber(), Previous: common.BytesToHash(cert.GetPreviousPayloadHash()), Content: common.BytesToHash(cert.GetContentHash()),
	}
}

// certified and final say whether a certificate holds: its signatures are those that were made.
func (w *world) certified(cert *preblockv1.Certificate) bool {
	return w.signedBy(w.attestations, statementIn(cert), cert.GetAttestations())
}

func (w *world) final(cert *preblockv1.Certificate) bool {
	return w.certified(cert) && w.signedBy(w.locks, statementIn(cert), cert.GetLocks())
}

func (w *world) signedBy(made map[attest.Statement]round.Set, s attest.Statement, shown []*preblockv1.Attestation) bool {
	distinct := round.Set{}
	for _, a := range shown {
		distinct = distinct.With(uint8(a.GetAuthority()))
	}
	return distinct.And(made[s]).Len() >= quorum
}
