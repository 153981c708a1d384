package voter

import (
	"log/slog"
	"testing"
	"time"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	adoptedRefusal = keyholderv1.AttestRefusal_ATTEST_REFUSAL_ADOPTED
	otherContent   = keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT
	notNext        = keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_NEXT
	notFinal       = keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_FINAL
	otherPrevious  = keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_PREVIOUS
	restored       = keyholderv1.AttestRefusal_ATTEST_REFUSAL_RESTORED
)

// began is the time of the clock of every keyholder here, and of every content.
var began = time.Unix(1_700_000_000, 0)

// lone is the last keyholder of a committee that begins at number 5; the others certify without it.
type lone struct {
	*committeetest.Committee
	t      testing.TB
	o      Options
	finals map[common.Hash]*preblockv1.Certificate // by what they show
}

// newLone is the last of four keyholders.
func newLone(t *testing.T) *lone {
	t.Helper()
	return loneOf(t, committeetest.New(t, 4, 3, 5))
}

func withLifetime(t *testing.T, lifetime uint64) *lone {
	t.Helper()
	return loneOf(t, committeetest.NewWith(t, 4, 3, 5, committee.Limits{Lifetime: lifetime}))
}

func loneOf(t testing.TB, c *committeetest.Committee) *lone {
	last := c.Size() - 1
	return &lone{c, t, Options{
		Dir: t.TempDir(), Committee: c.Committee, Key: c.Identities[last], Share: c.Secrets[last], Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return began },
	}, map[common.Hash]*preblockv1.Certificate{}}
}

// open opens the directory.
func (l *lone) open() *Voter {
	l.t.Helper()
	h, err := Open(l.t.Context(), l.o)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = h.Close() })
	return h
}

// restored opens a directory, and as a new committee does when there is nothing in it.
func (l *lone) restored() *Voter {
	l.t.Helper()
	h := l.open()
	if from, err := h.Restore(l.t.Context(), l.reports(h, nil, nil)); err != nil || from != 5 {
		l.t.Fatal(from, err)
	}
	return h
}

// reports are those of the first peers, each with a certificate or nil; too many are left out.
func (l *lone) reports(h *Voter, certificates ...*preblockv1.Certificate) []*keyholderv1.Report {
	l.t.Helper()
	var out []*keyholderv1.Report
	challenge := h.Status().Challenge
	if challenge == nil {
		challenge = new(common.Hash)
	}
	for i, cert := range certificates[:min(len(certificates), l.Size()-1)] {
		r, err := attest.SignReport(l.Committee.Committee, l.Identities[i], uint8(i), *challenge, cert)
		if err != nil {
			l.t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// again closes a voter and opens its directory.
func (l *lone) again(h *Voter) *Voter {
	l.t.Helper()
	if err := h.Close(); err != nil {
		l.t.Fatal(err)
	}
	return l.open()
}

// proposal is one that the owner of view 0 signed. It shows that the number before is final, if it is.
func (l *lone) proposal(c *preblockv1.Content, previous common.Hash) Proposal {
	l.t.Helper()
	signature, err := attest.StatementOf(l.Committee.Committee, c, previous).Propose(l.Sequencer, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	return Proposal{Content: c, Previous: previous, Signature: signature, Finality: l.finals[previous]}
}

func (l *lone) attest(h *Voter, c *preblockv1.Content, previous common.Hash) (Answer, error) {
	l.t.Helper()
	return h.Attest(l.t.Context(), l.proposal(c, previous))
}

func (l *lone) expect(h *Voter, what string, c *preblockv1.Content, previous common.Hash, want keyholderv1.AttestRefusal) Answer {
	l.t.Helper()
	a, err := l.attest(h, c, previous)
	if err != nil || a.Refusal != want {
		l.t.Fatalf("%s: %s, %v, want %s", what, a.Refusal, err, want)
	}
	return a
}

// certify makes a content final.
func (l *lone) certify(c *preblockv1.Content, previous common.Hash) (*keyholderv1.Adopted, common.Hash) {
	l.t.Helper()
	cert, hash := l.Certify(c, previous)
	l.finals[hash] = cert
	return &keyholderv1.Adopted{Content: c, Certificate: cert}, hash
}

// chain certifies contents of a variant for numbers from 5 on.
func (l *lone) chain(variant byte, length int) (all []*keyholderv1.Adopted, hashes []common.Hash) {
	l.t.Helper()
	var previous common.Hash
	for n := range uint64(length) {
		a, hash := l.certify(contentOf(5+n, variant), previous)
		all, hashes, previous = append(all, a), append(hashes, hash), hash
	}
	return all, hashes
}

func contentOf(number uint64, variant byte) *preblockv1.Content {
	return &preblockv1.Content{
		Number: number, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(began),
		Transactions: [][]byte{{variant, byte(number)}},
	}
}

// unlocked is a certificate without its locks.
func unlocked(a *keyholderv1.Adopted) *preblockv1.Certificate {
	return attest.Final(a.GetCertificate(), nil)
}

// changed is a copy with a change.
func changed[M proto.Message](m M, change func(M)) M {
	m = proto.CloneOf(m)
	change(m)
	return m
}
