package voter

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"blindseq/dsn-node/keyholder/vote"
	"blindseq/kit/content"
	"blindseq/kit/wal"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	otherContent  = keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT
	notNext       = keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_NEXT
	otherPrevious = keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_PREVIOUS
)

// options of the only keyholder of a committee that begins at number 5.
func options(t *testing.T) Options {
	t.Helper()
	_, o := alone(t)
	return o
}

func alone(t *testing.T) (*committeetest.Committee, Options) {
	t.Helper()
	c := committeetest.New(t, 1, 1, 5)
	return c, Options{
		Dir: t.TempDir(), Committee: c.Committee, Key: c.Identities[0], Share: c.Secrets[0], Log: slog.New(slog.DiscardHandler),
	}
}

func open(t *testing.T, o Options) *Voter {
	t.Helper()
	h, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func contentOf(number uint64, variant byte) *preblockv1.Content {
	return &preblockv1.Content{
		Number: number, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(1_700_000_000, 0)),
		Transactions: [][]byte{{variant, byte(number)}},
	}
}

func (h *Voter) mustAttest(t *testing.T, c *preblockv1.Content, previous common.Hash) Answer {
	t.Helper()
	a, err := h.Attest(t.Context(), c, previous)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestOneContentIsAttestedForANumberEachAfterTheOneBefore(t *testing.T) {
	o := options(t)
	h := open(t, o)
	first := attest.StatementOf(o.Committee, contentOf(5, 0), common.Hash{})
	second := attest.StatementOf(o.Committee, contentOf(6, 0), first.Hash())
	check := func(what string, a Answer, refusal keyholderv1.AttestRefusal, shown attest.Statement) {
		t.Helper()
		if a.Refusal != refusal {
			t.Errorf("%s: refusal %s, want %s", what, a.Refusal, refusal)
		}
		if shown == (attest.Statement{}) {
			if a.Attested != nil {
				t.Errorf("%s: shows %v", what, a.Attested)
			}
		} else if got, err := attest.Read(o.Committee, a.Attested); err != nil || got != shown {
			t.Errorf("%s: shows %v, %v", what, got, err)
		}
	}
	check("before the first", h.mustAttest(t, contentOf(4, 0), common.Hash{}), notNext, attest.Statement{})
	check("after the first", h.mustAttest(t, contentOf(6, 0), common.Hash{}), notNext, attest.Statement{})
	check("a predecessor of the first", h.mustAttest(t, contentOf(5, 0), common.Hash{1}), otherPrevious, attest.Statement{})
	check("the first", h.mustAttest(t, contentOf(5, 0), common.Hash{}), vote.Granted, first)
	check("again", h.mustAttest(t, contentOf(5, 0), common.Hash{}), vote.Granted, first)
	check("another content", h.mustAttest(t, contentOf(5, 1), common.Hash{}), otherContent, first)
	check("another predecessor", h.mustAttest(t, contentOf(5, 0), common.Hash{1}), otherContent, first)
	check("a number skipped", h.mustAttest(t, contentOf(7, 0), first.Hash()), notNext, first)
	check("after another", h.mustAttest(t, contentOf(6, 0), common.Hash{}), otherPrevious, first)
	check("the second", h.mustAttest(t, contentOf(6, 0), first.Hash()), vote.Granted, second)
	check("the first again", h.mustAttest(t, contentOf(5, 0), common.Hash{}), vote.Granted, first)
	if st := h.Status(); st.Last != 6 || st.Payload != second.Hash() {
		t.Errorf("status %+v", st)
	}
	if _, err := h.Attest(t.Context(), &preblockv1.Content{Number: 7}, common.Hash{}); !errors.Is(err, content.ErrMalformed) {
		t.Errorf("malformed: %v", err)
	}
	for number, want := range map[uint64]error{4: ErrNotHeld, 7: ErrNotAttested, 5: nil} {
		if _, err := h.Attested(number); !errors.Is(err, want) {
			t.Errorf("attested %d: %v", number, err)
		}
	}
}

func TestKeysAndDirectoryMustBeOfTheCommittee(t *testing.T) {
	o, other := options(t), options(t)
	h := open(t, o)
	h.mustAttest(t, contentOf(5, 0), common.Hash{})
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	moved := other
	moved.Dir = o.Dir
	if _, err := Open(t.Context(), moved); !errors.Is(err, ErrOtherCommittee) {
		t.Errorf("another committee's directory: %v", err)
	}
	wrongKey, wrongShare := o, o
	wrongKey.Key, wrongShare.Share = other.Key, other.Share
	for _, bad := range []Options{wrongKey, wrongShare} {
		if _, err := Open(t.Context(), bad); !errors.Is(err, ErrKeys) {
			t.Errorf("another's key: %v", err)
		}
	}
	open(t, o)
}

// crashingFS does some operations for real and fails the one after them and all later ones; `late` lets the failing one
// happen and be reported as failed, as a crash after it would.
type crashingFS struct {
	good int
	late bool
}

var errDisk = errors.New("input/output error")

func (f *crashingFS) do(operation func() error) error {
	f.good--
	if f.good < 0 {
		if f.late && f.good == -1 {
			_ = operation()
		}
		return errDisk
	}
	return operation()
}

func (f *crashingFS) open(path string, flag int) (wal.File, error) {
	file, err := os.OpenFile(path, flag, 0o600)
	return crashingFile{file, f}, err
}

func (f *crashingFS) Create(path string) (wal.File, error) {
	return f.open(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY)
}
func (f *crashingFS) Open(path string) (wal.File, error) { return f.open(path, os.O_WRONLY) }
func (f *crashingFS) Rename(from, to string) error {
	return f.do(func() error { return os.Rename(from, to) })
}
func (f *crashingFS) SyncDir(string) error { return f.do(func() error { return nil }) }

type crashingFile struct {
	*os.File
	fs *crashingFS
}

func (f crashingFile) Sync() error { return f.fs.do(func() error { return nil }) }
func (f crashingFile) Truncate(n int64) error {
	return f.fs.do(func() error { return f.File.Truncate(n) })
}
func (f crashingFile) WriteAt(b []byte, at int64) (int, error) {
	return len(b), f.fs.do(func() error { _, err := f.File.WriteAt(b, at); return err })
}

// TestCrashAtAnyStepNeverLetsASecondContentBeSigned crashes at every operation of the disk; whatever had been answered
// before must be answered after, and another content refused.
func TestCrashAtAnyStepNeverLetsASecondContentBeSigned(t *testing.T) {
	const last = 8
	for _, late := range []bool{false, true} {
		for good := 0; ; good++ {
			o := options(t)
			o.FS = &crashingFS{good: good, late: late}
			given := map[uint64]string{}
			var previous common.Hash
			if h, err := Open(t.Context(), o); err == nil {
				for n := uint64(5); n <= last; n++ {
					a, err := h.Attest(t.Context(), contentOf(n, 0), previous)
					if err != nil {
						if !errors.Is(err, ErrStorage) || !errors.Is(h.Run(t.Context()), errDisk) {
							t.Fatalf("crash %d: %v", good, err)
						}
						break
					}
					given[n] = a.Attested.String()
					previous = attest.StatementOf(o.Committee, contentOf(n, 0), previous).Hash()
				}
				_ = h.Close()
			} else if !errors.Is(err, errDisk) {
				t.Fatal(err)
			}
			o.FS = nil
			h := open(t, o)
			previous = common.Hash{}
			for n := uint64(5); n < 5+uint64(len(given)); n++ {
				if a := h.mustAttest(t, contentOf(n, 1), previous); a.Refusal != otherContent || a.Attested.String() != given[n] {
					t.Fatalf("crash %d: another content for %d: %+v", good, n, a)
				}
				previous = attest.StatementOf(o.Committee, contentOf(n, 0), previous).Hash()
			}
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			if len(given) == last-4 {
				break
			}
		}
	}
}

// certificate is that of the only keyholder.
func certificate(t *testing.T, o Options, c *preblockv1.Content) *preblockv1.Certificate {
	t.Helper()
	s := attest.StatementOf(o.Committee, c, common.Hash{})
	signed, err := s.Sign(o.Key, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s.Certificate([]*preblockv1.Attestation{signed.GetAttestation()})
}

func TestSharesAreGivenForWhatWasAttestedHere(t *testing.T) {
	k, o := alone(t)
	h := open(t, o)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	c := contentOf(5, 0)
	raws := [][]byte{k.Sealed([]byte("one")), k.Sealed([]byte("two")), k.Garbage(seal.ErrPadding)}
	c.Transactions = append(slices.Clone(raws), c.GetTransactions()...)
	if _, err := h.Release(t.Context(), certificate(t, o, c), nil); !errors.Is(err, ErrNotAttested) {
		t.Fatalf("before it was attested: %v", err)
	}
	h.mustAttest(t, c, common.Hash{})
	if _, err := h.Release(t.Context(), certificate(t, o, contentOf(5, 3)), nil); !errors.Is(err, ErrOtherOrder) {
		t.Fatalf("another content: %v", err)
	}
	other := certificate(t, o, c)
	other.CommitteeHash = make([]byte, 32)
	if _, err := h.Release(t.Context(), other, []uint32{0}); !errors.Is(err, ErrOtherCommittee) {
		t.Fatalf("another committee: %v", err)
	}
	if _, err := h.Release(t.Context(), nil, nil); !errors.Is(err, attest.ErrCertificate) {
		t.Fatalf("no certificate: %v", err)
	}
	for _, indexes := range [][]uint32{{3}, {4}, {1, 0}, {1, 1}, {0, 3}} {
		if _, err := h.Release(t.Context(), certificate(t, o, c), indexes); !errors.Is(err, ErrIndex) {
			t.Errorf("indexes %v: %v", indexes, err)
		}
	}
	for range 2 { // a repeat gets the same
		s, err := h.Release(t.Context(), certificate(t, o, c), nil)
		if err != nil || attest.VerifyShares(o.Committee, s) != nil {
			t.Fatal(err, attest.VerifyShares(o.Committee, s))
		}
		for i, raw := range raws {
			want, err := k.Secrets[0].Share(k.Checked(raw))
			if a := s.GetAnswers()[i]; err != nil || !bytes.Equal(a.GetShare(), want.Point[:]) || a.GetIndex() != uint32(i) || a.GetProof() != nil {
				t.Fatalf("share %d is %v, %v", i, a, err)
			}
		}
	}
	s, err := h.Release(t.Context(), certificate(t, o, c), []uint32{0, 2})
	if err != nil || attest.VerifyShares(o.Committee, s) != nil || len(s.GetAnswers()) != 2 {
		t.Fatal(s, err)
	}
	for i, index := range []uint32{0, 2} {
		a := s.GetAnswers()[i]
		proof := seal.ShareProof(a.GetProof())
		share := seal.Share{Point: seal.Point(a.GetShare())}
		if err := o.Committee.Keys.VerifyShare(k.Checked(raws[index]), share, &proof); err != nil || a.GetIndex() != index {
			t.Fatalf("proof of index %d: %v", index, err)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, indexes := range [][]uint32{nil, {0}} {
		if _, err := h.Release(t.Context(), certificate(t, o, c), indexes); !errors.Is(err, ErrClosed) {
			t.Fatalf("shares after the end: %v", err)
		}
	}
}

func TestAContentThatBreaksARuleIsNeverSigned(t *testing.T) {
	k, o := alone(t)
	h := open(t, o)
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	with := func(number uint64, txs ...[]byte) *preblockv1.Content {
		c := contentOf(number, 0)
		c.Transactions = txs
		return c
	}
	first := with(5, k.SealedBy(key, 0, []byte("a")), []byte{1})
	h.mustAttest(t, first, common.Hash{})
	previous := attest.StatementOf(o.Committee, first, common.Hash{}).Hash()
	for range 2 { // also after a restart
		for name, c := range map[string]struct {
			txs  [][]byte
			want error
		}{
			"a seq again":    {[][]byte{k.SealedBy(key, 0, []byte("a"))}, rules.ErrSeq},
			"a seq left out": {[][]byte{k.SealedBy(key, 2, []byte("a"))}, rules.ErrSeq},
			"the same bytes": {first.GetTransactions()[:1], rules.ErrSeq},
			"after a plain":  {[][]byte{{1}, k.SealedBy(key, 1, []byte("a"))}, rules.ErrPlace},
			"no proof":       {[][]byte{changed(k.SealedBy(key, 1, []byte("a")))}, seal.ErrProof},
			"not sealed":     {[][]byte{{seal.Type, 1, 2}}, seal.ErrEncoding},
			"expired":        {[][]byte{k.SealedBy(key, 1, []byte("a"), func(h *seal.Header) { h.Expiry = 5 })}, rules.ErrExpiry},
			"too much gas":   {[][]byte{k.SealedBy(key, 1, []byte("a"), func(h *seal.Header) { h.Gas = 1 << 50 })}, rules.ErrGas},
		} {
			if _, err := h.Attest(t.Context(), with(6, c.txs...), previous); !errors.Is(err, rules.ErrContent) || !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if st := h.Status(); st.Last != 5 {
			t.Fatalf("last %d", st.Last)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		h = open(t, o)
	}
	h.mustAttest(t, with(6, k.SealedBy(key, 1, []byte("b")), k.SealedBy(key, 2, []byte("c"))), previous)
	h.mustAttest(t, first, common.Hash{}) // what was signed is shown again, whatever the rules say of it now
}

// changed is a sealed transaction with another byte in its payload.
func changed(raw []byte) []byte {
	raw[len(raw)/2]++
	return raw
}
