package history

import "github.com/ethereum/go-ethereum/common"

// StepKind is what happened in a Step.
type StepKind uint8

// The kinds. Who sees inside the processes, as the simulator does, records them.
const (
	Submitted      StepKind = iota // a proposal was given to the DSN
	Attested                       // a keyholder signed the content of a number
	Fixed                          // the DSN showed the preblock of a number
	Merged                         // a monitor took the preblock of a request in order
	Noticed                        // a monitor recorded why a request ends without a preblock
	Appended                       // a blueprint was written to a log
	Applied                        // a blueprint was executed
	Published                      // a blueprint was shown
	Left                           // a transaction left a pool, for block Number (0: for none)
	Recovered                      // a process started again, with Number as the last it has
	Inside                         // a holder of the consumption lock began a step under token Number
	Shared                         // a keyholder gave shares of the sealed transactions of a number
	Locked                         // a keyholder locked the content of a number
	RecoveredLocks                 // a keyholder started again, with Number as the last for which it has a certificate
	Lost                           // a keyholder lost its disk
)

// Step is one thing that a process did and that cannot be undone.
type Step struct {
	By      string
	Kind    StepKind
	Number  uint64
	Hash    common.Hash // of the content, or of the transaction that left
	Request string
	Attempt uint32        // of Submitted
	Reason  string        // of Noticed
	Sealed  []common.Hash // of Fixed: the ids of the content's sealed transactions
	Breaks  string        // of Attested: the rule that the content breaks
}

// steps checks the order in which things happened.
func (c *checker) steps() {
	s := stepper{checker: c, fixed: map[uint64]common.Hash{}, signed: map[placed]common.Hash{}, at: map[string]*progress{},
		reasons: map[string]string{}, merged: map[string]uint64{}, attempts: map[attempt]common.Hash{},
		signers: map[signing]map[string]bool{}, lockers: map[signing]map[string]bool{}, finals: map[uint64]common.Hash{}, opened: map[common.Hash]uint64{}}
	for _, step := range c.Steps {
		s.take(step)
	}
}

// placed is a number as one process has it.
type placed struct {
	by     string
	number uint64
}

// progress is how far one producer is.
type progress struct {
	appended, applied, shown uint64
	attested, locked         uint64 // of a keyholder: the highest
	lost                     uint64 // attested before it lost its disk
}

type stepper struct {
	*checker
	fixed    map[uint64]common.Hash
	signed   map[placed]common.Hash
	at       map[string]*progress
	applied  uint64 // by anyone
	reasons  map[string]string
	merged   map[string]uint64 // by monitor and request
	attempts map[attempt]common.Hash
	inside   Step // with the highest token
	signers  map[signing]map[string]bool
	lockers  map[signing]map[string]bool
	finals   map[uint64]common.Hash // what a quorum locked
	opened   map[common.Hash]uint64 // sealed transactions and the numbers they were ordered at
}

// signing is a content for a number, as keyholders sign it.
type signing struct {
	number  uint64
	content common.Hash
}

func (s *stepper) take(step Step) {
	p := s.at[step.By]
	if p == nil {
		p = &progress{}
		s.at[step.By] = p
	}
	n := step.Number
	switch step.Kind {
	case Submitted:
		if n > s.applied+1 {
			s.violated("S5", "proposal %d was submitted by %s, applied was %d", n, step.By, s.applied)
		}
		if !s.Wiped {
			s.oneContent(s.attempts, attempt{n, step.Attempt}, step.Hash)
		}
	case Attested:
		s.attest(p, step)
	case Locked:
		s.lock(p, step)
	case RecoveredLocks:
		if n < p.locked {
			s.violated("S6", "%s had locked number %d and came back with a certificate of %d", step.By, p.locked, n)
		}
	case Lost:
		p.lost, p.shown, p.locked = p.attested, 0, 0
	case Fixed:
		if first, ok := s.fixed[n]; ok && first != step.Hash {
			s.violated("S1", "the DSN showed two contents for number %d, %s and %s", n, first, step.Hash)
		}
		s.fixed[n] = step.Hash
		s.order(step)
		p.shown = max(p.shown, n)
	case Appended:
		s.append(p, step)
	case Applied:
		if n > p.appended || n > p.applied+1 {
			s.violated("S9", "%s applied blueprint %d, its log ends at %d, its head was %d", step.By, n, p.appended, p.applied)
		}
		p.applied, s.applied = max(p.applied, n), max(s.applied, n)
	case Published:
		if n > p.applied {
			s.violated("S11", "%s published blueprint %d, applied was %d", step.By, n, p.applied)
		}
		p.shown = max(p.shown, n)
	case Left:
		if n == 0 || n > p.applied {
			s.violated("S4", "transaction %s left the pool of %s, before a block with it was applied", step.Hash, step.By)
		}
	case Recovered:
		if n < p.shown {
			s.violated("S6", "%s had shown number %d and came back with %d", step.By, p.shown, n)
		}
	case Merged, Noticed:
		s.end(step)
	case Inside:
		s.enter(step)
	case Shared:
		if lockers := len(s.lockers[signing{n, step.Hash}]); lockers < s.Quorum {
			s.violated("S14", "%s gave shares of number %d after %d of %d had locked its content", step.By, n, lockers, s.Quorum)
		}
	}
}

// attest checks what a keyholder signs: one content for a number, by the rules, after the number before is final, and nothing that
// it may have signed before it lost its votes. For the first number nobody can tell it from a new keyholder.
func (s *stepper) attest(p *progress, step Step) {
	n := step.Number
	if first, ok := s.signed[placed{step.By, n}]; ok && first != step.Hash {
		s.violated("S1", "%s signed two contents for number %d, %s and %s", step.By, n, first, step.Hash)
	}
	switch {
	case step.Breaks != "":
		s.violated("S17", "%s attested a content for number %d that breaks a rule: %s", step.By, n, step.Breaks)
	case s.Quorum > 0 && n > 1 && s.finals[n-1] == (common.Hash{}):
		s.violated("S17", "%s attested number %d, and %d was not final", step.By, n, n-1)
	case n > 1 && n <= p.lost:
		s.violated("S17", "%s attested number %d, up to %d it had signed before it lost its votes", step.By, n, p.lost)
	}
	s.signed[placed{step.By, n}] = step.Hash
	note(s.signers, step)
	p.shown, p.attested = max(p.shown, n), max(p.attested, n)
}

// lock checks that a keyholder locks what a quorum attested. What a quorum locked is final: there is one content for a number.
func (s *stepper) lock(p *progress, step Step) {
	n := step.Number
	if signers := len(s.signers[signing{n, step.Hash}]); signers < s.Quorum {
		s.violated("S17", "%s locked the content of number %d after %d of %d had attested it", step.By, n, signers, s.Quorum)
	}
	if n > 1 && n <= p.lost {
		s.violated("S17", "%s locked number %d, up to %d it had signed before it lost its votes", step.By, n, p.lost)
	}
	if note(s.lockers, step); len(s.lockers[signing{n, step.Hash}]) >= s.Quorum {
		if first, ok := s.finals[n]; ok && first != step.Hash {
			s.violated("S1", "two contents are final for number %d, %s and %s", n, first, step.Hash)
		}
		s.finals[n] = step.Hash
	}
	p.locked = max(p.locked, n)
}

func note(made map[signing]map[string]bool, step Step) {
	what := signing{step.Number, step.Hash}
	if made[what] == nil {
		made[what] = map[string]bool{}
	}
	made[what][step.By] = true
}

// order checks that a sealed transaction is ordered once.
func (s *stepper) order(step Step) {
	for _, id := range step.Sealed {
		if first, ok := s.opened[id]; ok && first != step.Number {
			s.violated("S3", "sealed transaction %s was ordered at number %d and at %d", id, first, step.Number)
		}
		s.opened[id] = step.Number
	}
}

func (s *stepper) append(p *progress, step Step) {
	n := step.Number
	switch fixed, ok := s.fixed[n]; {
	case !ok || fixed != step.Hash:
		s.violated("S1", "%s decided %s for number %d, the DSN had shown %s", step.By, step.Hash, n, fixed)
	case n <= p.appended:
		s.violated("S6", "%s appended blueprint %d again: its log had lost it", step.By, n)
	case n > p.appended+1:
		s.violated("S9", "%s appended blueprint %d after %d", step.By, n, p.appended)
	}
	p.appended = max(p.appended, n)
}

// end checks that a request ends in one way.
func (s *stepper) end(step Step) {
	if step.Request == "" {
		return
	}
	key := step.By + " " + step.Request
	if step.Kind == Merged {
		s.merged[key] = step.Number
		return
	}
	if n := s.merged[key]; n != 0 {
		s.violated("S8", "%s recorded that request %s ends with %s, after its preblock %d", step.By, step.Request, step.Reason, n)
	}
	if first := s.reasons[step.Request]; !s.Wiped && first != "" && first != step.Reason {
		s.violated("S8", "request %s ended with %s and with %s", step.Request, first, step.Reason)
	}
	s.reasons[step.Request] = step.Reason
}

// enter checks S12: who begins a step under the lock is the last who got it. After Redis lost its data two may believe so.
func (s *stepper) enter(step Step) {
	switch last := s.inside; {
	case s.Wiped:
	case step.Number < last.Number, step.Number == last.Number && step.By != last.By:
		s.violated("S12", "%s continued under token %d after %s had begun under %d", step.By, step.Number, last.By, last.Number)
	default:
		s.inside = step
	}
}
