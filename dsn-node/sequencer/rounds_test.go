package sequencer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"blindseq/dsn-node/keyholder"
	"blindseq/dsn-node/offline/keygen"
	"blindseq/dsn-node/sequencer/internal/convictions"
	"blindseq/kit/config"
	"blindseq/kit/grpckit"
	"blindseq/kit/testaddr"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/evidence"
	"blindseq/seal/outcome"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// network is a committee whose keyholders run in this process, and the configuration of a sequencer that uses them.
type network struct {
	t         testing.TB
	files     *keygen.Files
	committee *committee.Committee
	addresses []string
	stops     []func() // by authority; nil while a keyholder does not run
	dir       string
	log       *slog.Logger
}

func newNetwork(t testing.TB, keyholders, threshold int) *network {
	t.Helper()
	n := &network{t: t, dir: t.TempDir(), addresses: make([]string, keyholders), stops: make([]func(), keyholders), log: slog.New(slog.DiscardHandler)}
	if os.Getenv("BLINDSEQ_TEST_LOG") != "" {
		n.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	var err error
	n.files, err = keygen.Run(keygen.Config{Out: filepath.Join(n.dir, "keys"), Keyholders: keyholders, Threshold: threshold, ChainID: 1337, FirstNumber: 1})
	if err != nil {
		t.Fatal(err)
	}
	if n.committee, err = committee.Read(n.files.Committee); err != nil {
		t.Fatal(err)
	}
	for i := range keyholders {
		n.startKeyholder(i)
	}
	t.Cleanup(func() {
		for i := range keyholders {
			n.stopKeyholder(i)
		}
	})
	return n
}

// startKeyholder starts one, at the address it had before.
func (n *network) startKeyholder(i int) {
	n.t.Helper()
	var cfg keyholder.Config
	if err := config.Defaults(&cfg); err != nil {
		n.t.Fatal(err)
	}
	if n.addresses[i] == "" {
		n.addresses[i] = testaddr.Next(n.t) // it is free when the keyholder starts again
	}
	cfg.GRPCAddress, cfg.HTTPAddress = n.addresses[i], "127.0.0.1:0"
	cfg.DataDir = filepath.Join(n.dir, fmt.Sprintf("keyholder-%d", i))
	cfg.CommitteeFile, cfg.ShareFile, cfg.IdentityFile = n.files.Committee, n.files.Shares[i], n.files.Identities[i]
	s, err := keyholder.New(n.t.Context(), cfg, n.log)
	if err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	n.stops[i] = func() {
		cancel()
		if err := <-done; err != nil {
			n.t.Errorf("keyholder %d: %v", i, err)
		}
	}
}

// awaitAll waits until all keyholders take part. One that joins a new committee after its first certificate signs nothing for the first
// numbers; with two that lie beside it, the first would have no quorum.
func (n *network) awaitAll(t *testing.T, s *node) {
	t.Helper()
	eventually(t, func() bool {
		metrics := get(t, "http://"+s.http+"/metrics")
		for _, address := range n.addresses {
			if !strings.Contains(metrics, fmt.Sprintf("blindseq_dsn_keyholder_up{keyholder=%q} 1\n", address)) {
				return false
			}
		}
		return true
	})
}

func (n *network) stopKeyholder(i int) {
	if stop := n.stops[i]; stop != nil {
		n.stops[i] = nil
		stop()
	}
}

func (n *network) config(t *testing.T) Config {
	cfg := testConfig(t, filepath.Join(n.dir, "sequencer"))
	cfg.Keyholders, cfg.CommitteeFile = slices.Clone(n.addresses), n.files.Committee
	cfg.IdentityFile = n.files.Sequencer
	return cfg
}

// sealed is a sealed transaction whose bytes inside are given.
func (n *network) sealed(plain string) []byte {
	n.t.Helper()
	return committeetest.Of(n.t, n.committee).Sealed([]byte(plain))
}

func with(number uint64, txs ...[]byte) *dsnv1.SubmitProposalRequest {
	r := request(number, 0)
	r.Content.Transactions = txs
	return r
}

// preblock waits for a preblock and verifies it and its outcomes.
func (s *node) preblock(t *testing.T, n *network, number uint64) *preblockv1.Preblock {
	t.Helper()
	stream, cancel := s.stream(t, number)
	defer cancel()
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	p := answer.GetPreblock()
	if _, err := attest.VerifyPreblock(n.committee, p); err != nil {
		t.Fatal(err)
	}
	if err := outcome.Verify(n.committee, p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSealedTransactionIsOpenedAfterItsPlaceIsCertified(t *testing.T) {
	n := newNetwork(t, 4, 3)
	s := start(t, n.config(t))
	sealed := n.sealed("plain text of the transaction")
	s.submit(t, with(1, sealed, []byte{1}, []byte{2}))
	p := s.preblock(t, n, 1)
	if got := p.GetOutcomes(); len(got) != 1 || got[0].GetIndex() != 0 || plainOf(p, 0) != "plain text of the transaction" {
		t.Fatalf("outcomes %v", got)
	}
	if string(p.GetContent().GetTransactions()[0]) != string(sealed) {
		t.Fatal("the content is not the original list")
	}
	s.submit(t, with(2, []byte{3}))
	next := s.preblock(t, n, 2)
	if len(next.GetOutcomes()) != 0 {
		t.Fatalf("outcomes %v", next.GetOutcomes())
	}
	first, err := attest.VerifyPreblock(n.committee, p)
	if err != nil || common.Hash(next.GetCertificate().GetPreviousPayloadHash()) != first {
		t.Fatalf("certificates are not chained: %v", err)
	}
}

// plainOf is what was inside the i-th sealed transaction.
func plainOf(p *preblockv1.Preblock, i int) string {
	return string(p.GetOutcomes()[i].GetOpened().GetTransaction())
}

func TestUnopenableTransactionsAreOutcomesAndTheRestIsOpened(t *testing.T) {
	n := newNetwork(t, 4, 3)
	s := start(t, n.config(t))
	garbage := committeetest.Of(t, n.committee).Garbage
	s.submit(t, with(1, n.sealed("one"), garbage(seal.ErrPayload), garbage(seal.ErrPadding), n.sealed("two"), garbage(seal.ErrSeed), []byte{1}))
	p := s.preblock(t, n, 1)
	var got []string
	for i, o := range p.GetOutcomes() {
		if u := o.GetUnopenable(); u != nil {
			got = append(got, outcome.ReasonText(u.GetReason()))
			continue
		}
		got = append(got, plainOf(p, i))
	}
	if want := "[one payload padding two seed]"; fmt.Sprint(got) != want {
		t.Fatalf("got %v, want %s", got, want)
	}
	s.submit(t, with(2, n.sealed("good")))
	if p := s.preblock(t, n, 2); plainOf(p, 0) != "good" {
		t.Fatalf("the next one: %v", p.GetOutcomes())
	}
	shown := get(t, "http://"+s.http+"/metrics")
	for _, want := range []string{`blindseq_dsn_round_seconds_count{phase="combine"} 2`, `blindseq_dsn_round_seconds_count{phase="prove"} 1`} {
		if !strings.Contains(shown, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	s.stop()
	if all := n.convicted(t); len(all) > 0 {
		t.Fatalf("convicted for a sender's garbage: %v", all)
	}
}

func TestAProposalThatBreaksARuleIsRefusedAlsoAfterARestart(t *testing.T) {
	n := newNetwork(t, 4, 3)
	cfg := n.config(t)
	s := start(t, cfg)
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	by := committeetest.Of(t, n.committee)
	s.submit(t, with(1, by.SealedBy(key, 0, []byte("first"))))
	s.preblock(t, n, 1)
	for range 2 {
		for what, r := range map[string]*dsnv1.SubmitProposalRequest{
			"the seq again": with(2, by.SealedBy(key, 0, []byte("again"))), "a sealed one after a plain one": with(2, []byte{1}, n.sealed("late")),
			"a seq left out": with(2, by.SealedBy(key, 2, []byte("later"))), "no sealed one at all": with(2, []byte{seal.Type}),
		} {
			_, err := s.SubmitProposal(t.Context(), r)
			if status.Code(err) != codes.InvalidArgument || !strings.Contains(status.Convert(err).Message(), "breaks a rule") {
				t.Errorf("%s: %v", what, err)
			}
		}
		if st := s.status(t); st.GetAcceptedNumber() != 1 {
			t.Fatalf("status %v", st)
		}
		s.stop()
		s = start(t, cfg)
	}
	s.submit(t, with(2, by.SealedBy(key, 1, []byte("second"))))
	if p := s.preblock(t, n, 2); plainOf(p, 0) != "second" {
		t.Fatalf("outcomes %v", p.GetOutcomes())
	}
}

func TestTwoOfSevenDeadCostNoBlockAndThreeStopUntilOneReturns(t *testing.T) {
	n := newNetwork(t, 7, 5)
	s := start(t, n.config(t))
	s.submit(t, with(1, n.sealed("one")))
	s.preblock(t, n, 1)
	n.stopKeyholder(0)
	n.stopKeyholder(5)
	s.submit(t, with(2, n.sealed("two")))
	s.preblock(t, n, 2)
	eventually(t, func() bool { // none of the two is needed
		ready := get(t, "http://"+s.http+"/readyz")
		return strings.Contains(ready, `"ok"`) && strings.Contains(ready, `"notes":{"keyholders":"0 at `+n.addresses[0]) &&
			strings.Contains(ready, "; 5 at "+n.addresses[5]) && strings.Contains(ready, ", since 20")
	})
	n.stopKeyholder(3)
	s.submit(t, with(3, n.sealed("three")))
	eventually(t, func() bool {
		ready := get(t, "http://"+s.http+"/readyz")
		return strings.Contains(ready, "preblock 3 waits for attestations: 4 of 5") &&
			strings.Contains(ready, "bring back at least 1 of: ") && strings.Contains(ready, n.addresses[3])
	})
	st, err := s.GetStatus(t.Context(), &dsnv1.GetStatusRequest{})
	if err != nil || st.GetLastNumber() != 2 || st.GetAcceptedNumber() != 3 || !strings.Contains(st.GetWaiting(), n.addresses[5]) {
		t.Fatalf("status %v, %v", st, err)
	}
	n.startKeyholder(5) // it missed number 2
	if got := plainOf(s.preblock(t, n, 3), 0); got != "three" {
		t.Fatalf("got %q", got)
	}
	eventually(t, func() bool { return strings.Contains(get(t, "http://"+s.http+"/readyz"), `"ok"`) })
}

// eventually waits for something that another goroutine brings about.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatal("it did not happen")
		case <-ticker.C:
		}
	}
}

func TestRestartedSequencerGoesOnWithTheOpenRound(t *testing.T) {
	n := newNetwork(t, 4, 3)
	cfg := n.config(t)
	s := start(t, cfg)
	s.submit(t, with(1, n.sealed("one")))
	first := s.preblock(t, n, 1)
	n.stopKeyholder(0)
	n.stopKeyholder(1)
	s.submit(t, with(2, n.sealed("two"))) // two of four attest it
	eventually(t, func() bool { return strings.Contains(s.status(t).GetWaiting(), "attestations: 2 of 3") })
	s.stop()
	n.startKeyholder(0)
	n.startKeyholder(1)
	s = start(t, cfg)
	if got := s.preblock(t, n, 1); got.String() != first.String() {
		t.Fatal("preblock 1 changed")
	}
	if got := plainOf(s.preblock(t, n, 2), 0); got != "two" {
		t.Fatalf("got %q", got)
	}
	s.submit(t, with(3))
	s.preblock(t, n, 3)
}

func (s *node) status(t *testing.T) *dsnv1.GetStatusResponse {
	t.Helper()
	st, err := s.GetStatus(t.Context(), &dsnv1.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// lose takes a keyholder's disk away.
func (n *network) lose(i int) {
	n.t.Helper()
	n.stopKeyholder(i)
	if err := os.RemoveAll(filepath.Join(n.dir, fmt.Sprintf("keyholder-%d", i))); err != nil {
		n.t.Fatal(err)
	}
	n.startKeyholder(i)
}

func TestKeyholderThatLostItsDiskIsBroughtThroughTheOrderAgain(t *testing.T) {
	n := newNetwork(t, 4, 3)
	s := start(t, n.config(t))
	for number := uint64(1); number <= 5; number++ {
		s.submit(t, with(number, n.sealed(fmt.Sprint(number))))
		s.preblock(t, n, number)
	}
	n.lose(2)
	// It may have signed for the number after the last one that is certified, and gives shares only.
	from := n.restored(t, 2)
	if from != 7 {
		t.Fatalf("it signs from number %d on", from)
	}
	s.submit(t, with(6, n.sealed("six")))
	if got := plainOf(s.preblock(t, n, 6), 0); got != "six" {
		t.Fatalf("got %q", got)
	}
	n.stopKeyholder(0) // from now on number 2 is needed
	s.submit(t, with(7, n.sealed("seven")))
	if got := plainOf(s.preblock(t, n, 7), 0); got != "seven" {
		t.Fatalf("got %q", got)
	}
}

// restored waits until a keyholder is restored and returns the lowest number that it signs for.
func (n *network) restored(t *testing.T, i int) (from uint64) {
	t.Helper()
	conn, err := grpckit.Dial(n.addresses[i], config.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := keyholderv1.NewKeyholderServiceClient(conn)
	eventually(t, func() bool {
		s, err := client.GetStatus(t.Context(), &keyholderv1.GetStatusRequest{})
		from = s.GetSignsFrom()
		return err == nil && len(s.GetChallenge()) == 0
	})
	return from
}

func TestKeyholderWithoutVotesIsWaitedForUntilItsPeersReported(t *testing.T) {
	n := newNetwork(t, 4, 3)
	var silent atomic.Bool
	silent.Store(true)
	n.lie(t, 1, &liar{report: func(l *liar, ctx context.Context, r *keyholderv1.ReportRequest) (*keyholderv1.ReportResponse, error) {
		if silent.Load() {
			return nil, status.Error(codes.Unavailable, "not now")
		}
		return l.KeyholderServiceClient.Report(ctx, r)
	}})
	s := start(t, n.config(t))
	s.submit(t, with(1, n.sealed("one")))
	s.preblock(t, n, 1)
	n.lose(2)
	waits := func(what string) {
		t.Helper()
		eventually(t, func() bool { return strings.Contains(s.status(t).GetWaiting(), what) })
	}
	n.stopKeyholder(0)
	s.submit(t, with(2, n.sealed("two")))
	waits("it has no votes and waits for reports of its peers, 1 of 3 came")
	n.startKeyholder(0)
	s.preblock(t, n, 2) // the others are enough
	silent.Store(false)
	from := n.restored(t, 2)
	if from != 3 && from != 4 { // 1 was certified, or 2 was already
		t.Fatalf("it signs from number %d on", from)
	}
	for number := uint64(3); number <= from; number++ {
		if number == from {
			n.stopKeyholder(0)
		}
		s.submit(t, with(number, n.sealed("x")))
		s.preblock(t, n, number)
	}
}

func TestAWrongReportDoesNotKeepAKeyholderFromBeingRestored(t *testing.T) {
	n := newNetwork(t, 7, 5)
	n.lie(t, 1, &liar{report: func(l *liar, ctx context.Context, r *keyholderv1.ReportRequest) (*keyholderv1.ReportResponse, error) {
		answer, err := l.KeyholderServiceClient.Report(ctx, r)
		if err == nil {
			answer.Report.Signature[7] ^= 1
		}
		return answer, err
	}})
	s := start(t, n.config(t))
	for number := uint64(1); number <= 2; number++ {
		s.submit(t, with(number, n.sealed("x")))
		s.preblock(t, n, number)
	}
	n.lose(2)
	if from := n.restored(t, 2); from != 4 {
		t.Fatalf("it signs from number %d on", from)
	}
	line := fmt.Sprintf("blindseq_dsn_keyholder_faults_total{keyholder=%q,kind=\"invalid\"} 0", n.addresses[1])
	if strings.Contains(get(t, "http://"+s.http+"/metrics"), line+"\n") {
		t.Fatal("the wrong report is not noticed")
	}
	s.submit(t, with(3))
	s.preblock(t, n, 3)
	n.stopKeyholder(0)
	n.stopKeyholder(3) // so the one that lies and the one that was restored are needed
	s.submit(t, with(4, n.sealed("y")))
	s.preblock(t, n, 4)
}

func TestSequencerThatLostItsDiskGetsItsLogFromTheKeyholders(t *testing.T) {
	n := newNetwork(t, 4, 3)
	s := start(t, n.config(t))
	var before []*preblockv1.Preblock
	for number := uint64(1); number <= 5; number++ {
		s.submit(t, with(number, n.sealed(fmt.Sprint(number)), []byte{1}))
		before = append(before, s.preblock(t, n, number))
	}
	n.stopKeyholder(0)
	n.stopKeyholder(1)
	s.submit(t, with(6, n.sealed("six"))) // attested by two, certified never
	eventually(t, func() bool { return strings.Contains(s.status(t).GetWaiting(), "attestations: 2 of 3") })
	s.stop()
	if err := os.RemoveAll(filepath.Join(n.dir, "sequencer")); err != nil {
		t.Fatal(err)
	}
	n.startKeyholder(0)
	s = start(t, n.config(t))
	for i, p := range before {
		got := s.preblock(t, n, uint64(i)+1)
		if string(got.GetContentHash()) != string(p.GetContentHash()) || !outcome.Same(got.GetOutcomes(), p.GetOutcomes()) {
			t.Fatalf("preblock %d changed", i+1)
		}
	}
	answer := s.submit(t, with(6, []byte("another")))
	if p := s.preblock(t, n, 6); plainOf(p, 0) != "six" || string(answer.GetContentHash()) != string(p.GetContentHash()) {
		t.Fatalf("number 6 is %v", p)
	}
}

func TestSequencerAndKeyholdersLeaveNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	n := newNetwork(t, 4, 3)
	s := start(t, n.config(t))
	s.submit(t, with(1, n.sealed("one")))
	s.preblock(t, n, 1)
	s.stop()
	for i := range n.stops {
		n.stopKeyholder(i)
	}
}

func TestCertifiedLogIsRefusedWithoutKeyholders(t *testing.T) {
	n := newNetwork(t, 1, 1)
	s := start(t, n.config(t))
	s.submit(t, with(1))
	s.preblock(t, n, 1)
	s.stop()
	cfg := n.config(t)
	cfg.Keyholders, cfg.CommitteeFile, cfg.IdentityFile = nil, "", ""
	if _, err := New(t.Context(), cfg, n.log); err == nil || !strings.Contains(err.Error(), "no keyholders are given") {
		t.Fatalf("got %v", err)
	}
}

func TestAnotherKeyThanTheCommitteesSequencersIsRefused(t *testing.T) {
	n := newNetwork(t, 1, 1)
	cfg := n.config(t)
	cfg.IdentityFile = n.files.Bundler
	_, err := New(t.Context(), cfg, n.log)
	if !errors.Is(err, errNotSequencer) || !strings.Contains(err.Error(), n.committee.Owner(0).Hex()) {
		t.Errorf("another key: %v", err)
	}
	cfg.IdentityFile = n.files.Sequencer
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Chmod(cfg.IdentityFile, 0o644))
	if _, err := New(t.Context(), cfg, n.log); err == nil || !strings.Contains(err.Error(), cfg.IdentityFile) {
		t.Errorf("a key that others can read: %v", err)
	}
	must(os.Chmod(cfg.IdentityFile, 0o600))
	start(t, cfg)
}

// convicted returns the evidence a stopped sequencer kept, verified.
func (n *network) convicted(t *testing.T) map[string][]uint32 {
	t.Helper()
	book, err := convictions.Open(filepath.Join(n.dir, "sequencer", "evidence"), n.committee, n.log)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close() // only read
	all, err := book.All()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]uint32{}
	for _, e := range all {
		if err := evidence.Verify(n.committee, e); err != nil {
			t.Fatal(err)
		}
		out[evidence.Kind(e)] = append(out[evidence.Kind(e)], e.GetAuthority())
	}
	return out
}
