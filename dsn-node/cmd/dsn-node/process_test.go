package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"blindseq/dsn-node/internal/identity"
	"blindseq/dsn-node/offline/keygen"
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

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// asProgram makes the test binary run as the program.
const asProgram = "DSN_NODE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// process is the program running as a process of its own.
type process struct {
	args    []string
	command *exec.Cmd
	output  bytes.Buffer
}

func (p *process) start(t testing.TB) {
	t.Helper()
	p.startWith(t, &p.output)
}

func (p *process) startWith(t testing.TB, output io.Writer) {
	t.Helper()
	if testing.Short() {
		t.Skip("make quick starts no programs; make test does")
	}
	p.command = exec.Command(os.Args[0], p.args...)
	p.command.Env = append(os.Environ(), asProgram+"=1")
	p.command.Stdout, p.command.Stderr = output, output
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
}

// kill is SIGKILL.
func (p *process) kill() {
	if p.command != nil {
		_ = p.command.Process.Kill() // it may have ended
		_ = p.command.Wait()
		p.command = nil
	}
}

// system is keyholders, and perhaps a sequencer, as processes.
type system struct {
	dir        string
	committee  *committee.Committee
	addresses  []string
	keyholders []*process
	clients    []keyholderv1.KeyholderServiceClient
	ordering   *process // the last sequencer that was started

	owner  *ecdsa.PrivateKey                       // of every view: the sequencer's identity
	finals map[common.Hash]*preblockv1.Certificate // what the test knows as final, by what the next number follows
}

func dial(t testing.TB, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpckit.Dial(address, config.TLS{}, grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func newSystem(t testing.TB, keyholders, threshold int) *system {
	t.Helper()
	s := &system{dir: t.TempDir(), finals: map[common.Hash]*preblockv1.Certificate{}}
	keys := filepath.Join(s.dir, "keys")
	_, err := keygen.Run(keygen.Config{Out: keys, Keyholders: keyholders, Threshold: threshold, ChainID: 1337, FirstNumber: 1})
	if err != nil {
		t.Fatal(err)
	}
	if s.committee, err = committee.Read(filepath.Join(keys, "committee.json")); err != nil {
		t.Fatal(err)
	}
	if s.owner, err = identity.Read(filepath.Join(keys, "sequencer.identity"), nil); err != nil {
		t.Fatal(err)
	}
	for i := range keyholders {
		address := testaddr.Next(t)
		p := &process{args: []string{
			"keyholder", "--grpc-address", address, "--http-address", "127.0.0.1:0",
			"--data-dir", filepath.Join(s.dir, fmt.Sprint("keyholder-", i)), "--committee-file", filepath.Join(keys, "committee.json"),
			"--share-file", filepath.Join(keys, fmt.Sprintf("keyholder-%d.share.json", i)),
			"--identity-file", filepath.Join(keys, fmt.Sprintf("keyholder-%d.identity", i)),
		}}
		p.start(t)
		t.Cleanup(p.kill)
		s.addresses, s.keyholders = append(s.addresses, address), append(s.keyholders, p)
		s.clients = append(s.clients, keyholderv1.NewKeyholderServiceClient(dial(t, address)))
	}
	return s
}

// sealed is a sealed transaction of a new submitter.
func (s *system) sealed(t testing.TB, plain string) []byte {
	t.Helper()
	return committeetest.Of(t, s.committee).Sealed([]byte(plain))
}

func contentOf(number uint64, txs ...[]byte) *preblockv1.Content {
	return &preblockv1.Content{
		Number: number, PreviousBlockHash: bytes.Repeat([]byte{byte(number)}, 32),
		Timestamp: timestamppb.New(time.Unix(1_700_000_000, 0)), Transactions: txs,
	}
}

// proposal is signed by the owner of the view, and shows that the number before is final when the test knows it.
func (s *system) proposal(t testing.TB, c *preblockv1.Content, previous common.Hash) *keyholderv1.AttestRequest {
	t.Helper()
	signature, err := attest.StatementOf(s.committee, c, previous).Propose(s.owner, 0)
	if err != nil {
		t.Fatal(err)
	}
	hash := s.committee.Hash()
	return &keyholderv1.AttestRequest{
		CommitteeHash: hash[:], Content: c, PreviousPayloadHash: previous[:], Proposal: signature, Finality: s.finals[previous],
	}
}

// attest has one keyholder attest.
func (s *system) attest(t testing.TB, i int, c *preblockv1.Content, previous common.Hash) *keyholderv1.AttestResponse {
	t.Helper()
	return untilUp(t, s.proposal(t, c, previous), s.clients[i].Attest)
}

// untilUp calls a keyholder that may have been started just now.
func untilUp[Q, A any](t testing.TB, request Q, call func(context.Context, Q, ...grpc.CallOption) (A, error)) A {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		answer, err := call(ctx, request)
		if err == nil {
			return answer
		}
		if status.Code(err) != codes.Unavailable { // which the connection to one that was killed just now is once
			t.Fatal(err)
		}
	}
}

// refuses checks that a keyholder does not attest a content, because of the rules.
func (s *system) refuses(t testing.TB, i int, c *preblockv1.Content, previous common.Hash) {
	t.Helper()
	_, err := s.clients[i].Attest(t.Context(), s.proposal(t, c, previous))
	if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "breaks a rule") {
		t.Errorf("keyholder %d, number %d: %v", i, c.GetNumber(), err)
	}
}

// certify makes a content final: all keyholders attest and lock it, and those of the first quorum are shown.
func (s *system) certify(t testing.TB, c *preblockv1.Content, previous common.Hash) (*preblockv1.Certificate, common.Hash) {
	t.Helper()
	var list, locks []*preblockv1.Attestation
	for i := range s.clients {
		answer := s.attest(t, i, c, previous)
		if answer.GetRefusal() != 0 {
			t.Fatalf("keyholder %d refuses: %v", i, answer)
		}
		list = append(list, answer.GetAttested().GetAttestation())
	}
	statement := attest.StatementOf(s.committee, c, previous)
	cert := statement.Certificate(0, list[:s.committee.Quorum()])
	for i := range s.clients {
		locks = append(locks, untilUp(t, &keyholderv1.LockRequest{Certificate: cert}, s.clients[i].Lock).GetLock())
	}
	final := attest.Final(cert, locks[:s.committee.Quorum()])
	s.finals[statement.Hash()] = final
	return final, statement.Hash()
}

// restore has one keyholder sign, by the reports of its peers, as the sequencer would. The answer is the first number that it signs.
func (s *system) restore(t testing.TB, i int) uint64 {
	t.Helper()
	challenge := untilUp(t, &keyholderv1.GetStatusRequest{}, s.clients[i].GetStatus).GetChallenge()
	request := new(keyholderv1.RestoreRequest)
	hash := s.committee.Hash()
	for j, peer := range s.clients {
		if j != i && len(challenge) > 0 && s.keyholders[j].command != nil {
			report := untilUp(t, &keyholderv1.ReportRequest{CommitteeHash: hash[:], Challenge: challenge}, peer.Report)
			request.Reports = append(request.Reports, report.GetReport())
		}
	}
	return untilUp(t, request, s.clients[i].Restore).GetSignsFrom()
}

// begun is a new committee whose keyholders sign.
func begun(t testing.TB, keyholders, threshold int) *system {
	t.Helper()
	s := newSystem(t, keyholders, threshold)
	for i := range s.clients {
		s.restore(t, i)
	}
	return s
}

func (s *system) release(t testing.TB, i int, cert *preblockv1.Certificate, proven ...uint32) (*keyholderv1.SignedShares, error) {
	t.Helper()
	answer, err := s.clients[i].ReleaseShares(t.Context(), &keyholderv1.ReleaseSharesRequest{Certificate: cert, Proven: proven})
	return answer.GetShares(), err
}

func TestEveryKeyholderRefusesWhatWouldOpenATransactionOutOfItsPlace(t *testing.T) {
	s := begun(t, 4, 3)
	sealed := s.sealed(t, "plain")
	first := contentOf(1, sealed, []byte{1})
	cert, payload := s.certify(t, first, common.Hash{})
	with := func(statement attest.Statement, attestations, locks []*preblockv1.Attestation) *preblockv1.Certificate {
		return attest.Final(statement.Certificate(0, attestations), locks)
	}
	attestations, locks, statement := cert.GetAttestations(), cert.GetLocks(), attest.StatementOf(s.committee, first, common.Hash{})
	for i := range s.clients {
		for name, c := range map[string]*preblockv1.Certificate{
			"no certificate": nil, "no quorum": with(statement, attestations[:2], locks), "no locks": with(statement, attestations, nil),
			"too few locks": with(statement, attestations, locks[:2]), "attestations as locks": with(statement, attestations, attestations),
			"another list":   with(attest.StatementOf(s.committee, contentOf(1, []byte{1}, sealed), common.Hash{}), attestations, locks),
			"another number": with(attest.StatementOf(s.committee, contentOf(2, sealed), payload), attestations, locks),
		} {
			for _, proven := range [][]uint32{nil, {0}} {
				if _, err := s.release(t, i, c, proven...); status.Code(err) != codes.PermissionDenied {
					t.Errorf("keyholder %d, %s: %v", i, name, err)
				}
			}
		}
		second := s.attest(t, i, contentOf(1, []byte{9}), common.Hash{})
		if second.GetRefusal() != keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT {
			t.Errorf("keyholder %d, second content: %v", i, second)
		}
		if shown, err := attest.Read(s.committee, second.GetAttested()); err != nil || shown.Hash() != payload {
			t.Errorf("keyholder %d shows %v, %v", i, shown, err)
		}
		if skipped := s.attest(t, i, contentOf(3), payload); skipped.GetRefusal() != keyholderv1.AttestRefusal_ATTEST_REFUSAL_NOT_NEXT {
			t.Errorf("keyholder %d, number skipped: %v", i, skipped)
		}
		if other := s.attest(t, i, contentOf(2), common.Hash{1}); other.GetRefusal() != keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_PREVIOUS {
			t.Errorf("keyholder %d, other predecessor: %v", i, other)
		}
		if _, err := s.release(t, i, cert); err != nil {
			t.Errorf("keyholder %d, the right certificate: %v", i, err)
		}
	}
	for i := range s.clients {
		s.refuses(t, i, contentOf(2, sealed), payload)
		for _, proven := range [][]uint32{{1}, {0, 1}, {0, 0}} {
			if _, err := s.release(t, i, cert, proven...); status.Code(err) != codes.InvalidArgument {
				t.Errorf("keyholder %d, places %v: %v", i, proven, err)
			}
		}
		shares, err := s.release(t, i, cert, 0)
		if err != nil || len(shares.GetAnswers()) != 1 || len(shares.GetAnswers()[0].GetProof()) != seal.ShareProofSize {
			t.Errorf("keyholder %d, shares with proof: %v, %v", i, shares, err)
		}
	}
}

func TestKilledKeyholdersKeepWhatTheyAttestedAndOpened(t *testing.T) {
	s := begun(t, 1, 1)
	sealed := s.sealed(t, "plain")
	c := contentOf(1, sealed)
	cert, payload := s.certify(t, c, common.Hash{})
	restart := func() {
		s.keyholders[0].kill()
		s.keyholders[0].start(t)
	}
	restart()
	if answer := s.attest(t, 0, contentOf(1, []byte{2}), common.Hash{}); answer.GetRefusal() != keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT {
		t.Fatalf("second content after a kill: %v", answer)
	}
	if answer := s.attest(t, 0, c, common.Hash{}); answer.GetRefusal() != 0 || !bytes.Equal(answer.GetAttested().GetAttestation().GetSignature(), cert.GetAttestations()[0].GetSignature()) {
		t.Fatalf("the same content after a kill: %v", answer)
	}
	if lock := untilUp(t, &keyholderv1.LockRequest{Certificate: attest.Final(cert, nil)}, s.clients[0].Lock).GetLock(); lock.String() != cert.GetLocks()[0].String() {
		t.Fatalf("the same lock after a kill: %v", lock)
	}
	before, err := s.release(t, 0, cert)
	if err != nil {
		t.Fatal(err)
	}
	restart()
	s.certify(t, contentOf(2, s.sealed(t, "another")), payload)
	restart()
	next := s.attest(t, 0, contentOf(2, []byte{1}), payload) // it is up
	statement, err := attest.Read(s.committee, next.GetAttested())
	if err != nil || next.GetRefusal() != keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT {
		t.Fatalf("another second content: %v, %v", next, err)
	}
	s.refuses(t, 0, contentOf(3, sealed), statement.Hash()) // its seq was used
	after, err := s.release(t, 0, cert)
	if err != nil || after.String() != before.String() {
		t.Fatalf("the same shares after a kill: %v, %v", after, err)
	}
}

func TestKeyholderSecretsAreInNoOutput(t *testing.T) {
	s := begun(t, 1, 1)
	s.certify(t, contentOf(1, s.sealed(t, "plain")), common.Hash{})
	secret, err := os.ReadFile(filepath.Join(s.dir, "keys", "keyholder-0.identity"))
	if err != nil {
		t.Fatal(err)
	}
	s.keyholders[0].kill()
	if strings.Contains(s.keyholders[0].output.String(), strings.TrimSpace(string(secret))) {
		t.Fatal("the identity key is in the log")
	}
}

// sequencer starts one over the system's keyholders and waits until it serves.
func (s *system) sequencer(t testing.TB) dsnv1.SequencerServiceClient {
	t.Helper()
	return s.sequencerIn(t, "sequencer")
}

// sequencerIn is sequencer with a data directory of its own.
func (s *system) sequencerIn(t testing.TB, dir string) dsnv1.SequencerServiceClient {
	t.Helper()
	address := testaddr.Next(t)
	p := &process{args: []string{
		"sequencer", "--grpc-address", address, "--http-address", "127.0.0.1:0", "--rpc-address", "127.0.0.1:0",
		"--data-dir", filepath.Join(s.dir, dir), "--committee-file", filepath.Join(s.dir, "keys", "committee.json"),
		"--keyholders", strings.Join(s.addresses, ","), "--identity-file", filepath.Join(s.dir, "keys", "sequencer.identity"),
	}}
	p.start(t)
	t.Cleanup(p.kill)
	s.ordering = p
	return dsnv1.NewSequencerServiceClient(dial(t, address))
}

func TestKilledSequencerAndKeyholdersLoseNothing(t *testing.T) {
	s := begun(t, 4, 3)
	seq := s.sequencer(t)
	stream, err := seq.StreamPreblocks(t.Context(), &dsnv1.StreamPreblocksRequest{FromNumber: 1})
	if err != nil {
		t.Fatal(err)
	}
	for number := uint64(1); number <= 8; number++ {
		s.keyholders[number%4].kill() // one is away at any time
		plain := fmt.Sprint("transaction ", number)
		if _, err := seq.SubmitProposal(t.Context(), &dsnv1.SubmitProposalRequest{Content: contentOf(number, s.sealed(t, plain))}); err != nil {
			t.Fatal(err)
		}
		p, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := attest.VerifyPreblock(s.committee, p.GetPreblock()); err != nil {
			t.Fatal(err)
		}
		if got := plainOf(p.GetPreblock(), 0); got != plain {
			t.Fatalf("number %d: %v", number, p.GetPreblock().GetOutcomes())
		}
		s.keyholders[number%4].start(t)
	}
}

// BenchmarkRoundOfPlain is the time from a proposal to its preblock, through four keyholder processes.
func BenchmarkRoundOfPlain(b *testing.B) { benchmarkRound(b, 0) }

// BenchmarkRoundOfSealed has 100 sealed transactions in each proposal.
func BenchmarkRoundOfSealed(b *testing.B) { benchmarkRound(b, 100) }

func benchmarkRound(b *testing.B, sealed int) {
	s := newSystem(b, 4, 3)
	seq := s.sequencer(b)
	stream, err := seq.StreamPreblocks(b.Context(), &dsnv1.StreamPreblocksRequest{FromNumber: 1})
	if err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	number := uint64(0)
	for b.Loop() {
		number++
		b.StopTimer()
		c := contentOf(number)
		for i := range sealed {
			c.Transactions = append(c.Transactions, s.sealed(b, fmt.Sprint("transaction ", i)))
		}
		c.Transactions = append(c.Transactions, []byte{1}, []byte{2})
		b.StartTimer()
		began := time.Now()
		if _, err := seq.SubmitProposal(b.Context(), &dsnv1.SubmitProposalRequest{Content: c}); err != nil {
			b.Fatal(err)
		}
		if p, err := stream.Recv(); err != nil || p.GetPreblock().GetContent().GetNumber() != number {
			b.Fatalf("got %v, %v", p, err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
