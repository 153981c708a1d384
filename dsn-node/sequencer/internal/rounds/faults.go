package rounds

import (
	"context"
	"sync"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/attest"
	"blindseq/seal/evidence"
)

// Kinds of faults beside those of package evidence: what shows that something is wrong and convicts nobody.
const (
	kindInvalid  = "invalid"  // an answer that is not signed, or not about what was asked
	kindDissent  = "dissent"  // a signed statement other than the sequencer's own, or a claim that contradicts its log
	kindUnproven = "unproven" // no proof of a share, after it or that of another keyholder spoiled an opening
)

// rememberNumbers is for how many numbers back a second statement is noticed without a look into the log.
const rememberNumbers = 16

// faults names keyholders and records what convicts them.
type faults struct {
	o Options

	mu    sync.Mutex
	seen  []map[uint64]*keyholderv1.Attested // by authority: the first statement seen for a number
	named []naming                           // by authority: what was logged last
}

type naming struct {
	kind   string
	number uint64
}

func newFaults(o Options) *faults {
	f := &faults{o: o, seen: make([]map[uint64]*keyholderv1.Attested, o.Committee.Size()), named: make([]naming, o.Committee.Size())}
	for i := range f.seen {
		f.seen[i] = map[uint64]*keyholderv1.Attested{}
	}
	return f
}

// examine looks whether a keyholder's signed statement contradicts another of its own in the same view. logged is its attestation of the
// certificate in the log for that number, if it has one.
func (f *faults) examine(ctx context.Context, by uint8, s attest.Statement, a, logged *keyholderv1.Attested) {
	for _, other := range []*keyholderv1.Attested{f.remember(by, a), logged} {
		if other == nil || other.GetView() != a.GetView() {
			continue
		}
		if t, err := attest.Read(f.o.Committee, other); err != nil || t == s {
			continue
		}
		f.convict(ctx, evidence.Equivocation(f.o.Committee, other, a), "two statements for one number")
		return
	}
}

// remember returns the first statement seen for the number in the highest view, which may be this one.
func (f *faults) remember(by uint8, a *keyholderv1.Attested) *keyholderv1.Attested {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.seen[by]
	if first, ok := seen[a.GetNumber()]; ok && first.GetView() >= a.GetView() {
		return first
	}
	seen[a.GetNumber()] = a
	for len(seen) > rememberNumbers {
		oldest := a.GetNumber()
		for n := range seen {
			oldest = min(oldest, n)
		}
		delete(seen, oldest)
	}
	return a
}

// wrongShare records signed shares that are wrong. Not everything wrong is a proof by itself: shares of something else than
// what was asked for convict nobody.
func (f *faults) wrongShare(ctx context.Context, e *keyholderv1.Evidence, why error) {
	if evidence.Verify(f.o.Committee, e) != nil {
		f.name(ctx, uint8(e.GetAuthority()), kindInvalid, e.GetNumber(), why.Error())
		return
	}
	f.convict(ctx, e, why.Error())
}

func (f *faults) convict(ctx context.Context, e *keyholderv1.Evidence, why string) {
	f.name(ctx, uint8(e.GetAuthority()), evidence.Kind(e), e.GetNumber(), why)
	if err := f.o.Cases.Add(ctx, e); err != nil {
		f.o.Log.ErrorContext(ctx, "evidence is not kept", "authority", e.GetAuthority(), "error", err)
	}
}

// name counts a fault, and logs it unless it is the one before again, as of a keyholder asked again and again.
func (f *faults) name(ctx context.Context, by uint8, kind string, number uint64, why string) {
	f.o.Observer.Fault(by, kind)
	f.mu.Lock()
	again := f.named[by] == naming{kind, number}
	f.named[by] = naming{kind, number}
	f.mu.Unlock()
	if again {
		return
	}
	f.o.Log.WarnContext(ctx, "keyholder is at fault", "authority", by, "keyholder", f.o.Keyholders[by].Name, "kind", kind,
		"number", number, "why", why)
}
