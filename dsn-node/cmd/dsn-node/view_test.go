package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"blindseq/kit/content"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// changeView runs the operator's command over some keyholders; the others are not reached.
func (s *system) changeView(t *testing.T, number, view uint64, reached ...int) (code int, shown string) {
	t.Helper()
	targets := make([]string, len(s.addresses))
	for i := range targets {
		targets[i] = "127.0.0.1:1"
	}
	for _, i := range reached {
		targets[i] = s.addresses[i]
	}
	command := exec.Command(os.Args[0], "change-view", "--committee-file", filepath.Join(s.dir, "keys", "committee.json"), "--timeout", "2s",
		"--keyholders", strings.Join(targets, ","), "--number", fmt.Sprint(number), "--view", fmt.Sprint(view))
	command.Env = append(os.Environ(), asProgram+"=1")
	out, _ := command.CombinedOutput() // the exit code says it
	return command.ProcessState.ExitCode(), string(out)
}

// split has two keyholders attest one content of a number, and two another.
func (s *system) split(t *testing.T, previous common.Hash, two, others *preblockv1.Content) {
	t.Helper()
	for i := range s.clients {
		c := two
		if i >= 2 {
			c = others
		}
		s.lost(t, i, c, previous)
	}
}

func (s *system) restart(t *testing.T, i int) {
	t.Helper()
	s.keyholders[i].kill()
	s.keyholders[i].start(t)
}

func send(t *testing.T, p *os.Process, s syscall.Signal) {
	t.Helper()
	if err := p.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// same checks that a sequencer shows a number as it was decided.
func (s *system) same(t *testing.T, seq dsnv1.SequencerServiceClient, want *preblockv1.Preblock) {
	t.Helper()
	got, _ := s.decided(t, seq, want.GetContent().GetNumber())
	if !proto.Equal(got.GetContent(), want.GetContent()) {
		t.Fatalf("number %d is %v, not %v", want.GetContent().GetNumber(), got.GetContent(), want.GetContent())
	}
}

// undecided checks that a number is not decided for a while.
func undecided(t *testing.T, seq dsnv1.SequencerServiceClient, number uint64) {
	t.Helper()
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		_, err := seq.GetPreblock(t.Context(), &dsnv1.GetPreblockRequest{Number: number})
		if err == nil {
			t.Fatalf("number %d is decided", number)
		}
	}
}

// TestTwoSequencersSplitKeyholdersAndAnOperatorEndsIt: two sequencers run with one key, by mistake. Each has its content of number 2
// attested by two keyholders. Blocks stand still until the operator stops one of them and has keyholders change the view. A
// keyholder is killed in the middle of that.
func TestTwoSequencersSplitKeyholdersAndAnOperatorEndsIt(t *testing.T) {
	s := begun(t, 4, 3)
	seq := s.sequencerIn(t, "sequencer")
	ordering := s.ordering
	paused := ordering.command.Process
	second := s.sequencerIn(t, "second")
	first, previous := s.decide(t, seq, contentOf(1, s.sealed(t, "first")))
	if _, err := second.SubmitProposal(t.Context(), &dsnv1.SubmitProposalRequest{Content: first.GetContent()}); err != nil {
		t.Fatal(err)
	}
	s.same(t, second, first)
	contents := []*preblockv1.Content{contentOf(2, s.sealed(t, "second")), contentOf(2, s.sealed(t, "another"))}
	for i, one := range []dsnv1.SequencerServiceClient{seq, second} {
		for k := range s.keyholders {
			if s.keyholders[k].kill(); k/2 == i {
				s.keyholders[k].start(t)
			}
		}
		if _, err := one.SubmitProposal(t.Context(), &dsnv1.SubmitProposalRequest{Content: contents[i]}); err != nil {
			t.Fatal(err)
		}
		s.reaches(t, 2*i, 2)
		s.reaches(t, 2*i+1, 2)
		if i == 0 {
			send(t, paused, syscall.SIGSTOP)
		}
	}
	s.keyholders[0].start(t)
	s.keyholders[1].start(t)
	send(t, paused, syscall.SIGCONT)
	undecided(t, seq, 2)
	s.ordering.kill() // the second

	if code, shown := s.changeView(t, 0, 1, 0, 1, 2, 3); code != 0 || strings.Count(shown, "last number 2, statement 0x") != 4 {
		t.Fatalf("%d: %s", code, shown)
	}
	if code, shown := s.changeView(t, 2, 1, 0, 1); code != 1 || !strings.Contains(shown, "2 of 4, 3 are needed") {
		t.Fatalf("%d: %s", code, shown)
	}
	said := untilUp(t, &keyholderv1.GetStatusRequest{}, s.clients[0].GetStatus).GetViewChange()
	s.restart(t, 0)
	if again := untilUp(t, &keyholderv1.GetStatusRequest{}, s.clients[0].GetStatus).GetViewChange(); said == nil || !proto.Equal(again, said) {
		t.Fatalf("after a kill it says %v, not %v", again, said)
	}
	undecided(t, seq, 2)
	if code, shown := s.changeView(t, 2, 1, 0, 1, 3); code != 0 || !strings.Contains(shown, "view 1 of number 2 is open; nothing is locked") {
		t.Fatalf("%d: %s", code, shown)
	}
	p, hash := s.decided(t, seq, 2)
	if p.GetCertificate().GetView() != 1 || content.HashOf(p.GetContent()) != content.HashOf(contents[0]) || plainOf(p, 0) != "second" {
		t.Fatalf("decided is %v", p)
	}
	if common.Hash(p.GetCertificate().GetPreviousPayloadHash()) != previous {
		t.Fatal("it does not follow number 1")
	}
	third, _ := s.decide(t, seq, contentOf(3, s.sealed(t, "third")))
	if third.GetCertificate().GetView() != 0 || common.Hash(third.GetCertificate().GetPreviousPayloadHash()) != hash {
		t.Fatalf("number 3: %v", third)
	}
	for i := range s.clients { // the one that was in view 0 too
		if at := s.reaches(t, i, 3); at.GetLastNumber() < 3 {
			t.Fatalf("keyholder %d is at %d", i, at.GetLastNumber())
		}
	}
	if code, shown := s.changeView(t, 2, 2, 0, 1, 2, 3); code != 1 || strings.Count(shown, "nothing changes what is final") != 4 {
		t.Fatalf("of what is final: %d: %s", code, shown)
	}
	s.ordering = ordering
	s.loseDisk(t)
	if strings.Contains(ordering.output.String(), "keyholder convicted") {
		t.Fatal("a keyholder is convicted that attested another content in a higher view")
	}
	recovered := s.sequencerIn(t, "third")
	for _, p := range []*preblockv1.Preblock{first, p, third} {
		s.same(t, recovered, p)
	}
}

// TestSplitKeyholdersTakeANewContentWhenTheSequencerLostItsDisk: neither content could be certified, and nobody knows of either but
// those who attested it.
func TestSplitKeyholdersTakeANewContentWhenTheSequencerLostItsDisk(t *testing.T) {
	s := begun(t, 4, 3)
	seq := s.sequencer(t)
	first, previous := s.decide(t, seq, contentOf(1, s.sealed(t, "first")))
	s.loseDisk(t)
	s.split(t, previous, contentOf(2, []byte{1}), contentOf(2, []byte{2}))
	// Before the sequencer recovers: one that does not hear the fourth keyholder in time takes a content that may have three votes.
	if code, shown := s.changeView(t, 2, 1, 0, 1, 2, 3); code != 0 {
		t.Fatalf("%d: %s", code, shown)
	}
	seq = s.sequencer(t)
	s.same(t, seq, first)
	p, _ := s.decide(t, seq, contentOf(2, s.sealed(t, "new")))
	if plainOf(p, 0) != "new" || p.GetCertificate().GetView() != 1 {
		t.Fatalf("decided is %v", p)
	}
	s.goesOn(t, seq, p.GetContent())
}

// TestALockedContentStaysWhateverTheSequencersLogHas: it may be final, so it is what a higher view decides.
func TestALockedContentStaysWhateverTheSequencersLogHas(t *testing.T) {
	s := begun(t, 4, 3)
	locked, other := contentOf(1, s.sealed(t, "locked")), contentOf(1, []byte{2})
	statement := attest.StatementOf(s.committee, locked, common.Hash{})
	var list []*preblockv1.Attestation
	for i := range 3 {
		list = append(list, s.attest(t, i, locked, common.Hash{}).GetAttested().GetAttestation())
	}
	for i := range 2 {
		untilUp(t, &keyholderv1.LockRequest{Certificate: statement.Certificate(0, list)}, s.clients[i].Lock)
	}
	s.attest(t, 3, other, common.Hash{})
	for i := range s.keyholders {
		s.restart(t, i)
	}
	for i := range s.clients {
		untilUp(t, &keyholderv1.GetStatusRequest{}, s.clients[i].GetStatus)
	}
	if code, shown := s.changeView(t, 1, 1, 0, 2, 3); code != 0 || !strings.Contains(shown, "content "+statement.Content.Hex()+" is locked") {
		t.Fatalf("%d: %s", code, shown)
	}
	seq := s.sequencer(t)
	p, _ := s.decided(t, seq, 1)
	if p.GetCertificate().GetView() != 1 || plainOf(p, 0) != "locked" {
		t.Fatalf("decided is %v", p)
	}
	s.goesOn(t, seq, locked)
}

// TestASequencerWhoseLogContradictsALockedContentSaysSo, and decides the locked one once its log is moved away.
func TestASequencerWhoseLogContradictsALockedContentSaysSo(t *testing.T) {
	s := begun(t, 4, 3)
	seq := s.sequencer(t)
	_, previous := s.decide(t, seq, contentOf(1))
	locked, other := contentOf(2, s.sealed(t, "locked")), contentOf(2, []byte{2})
	for i := range 3 {
		s.keyholders[i].kill()
	}
	if _, err := seq.SubmitProposal(t.Context(), &dsnv1.SubmitProposalRequest{Content: other}); err != nil {
		t.Fatal(err)
	}
	s.reaches(t, 3, 2)
	paused := s.ordering.command.Process
	send(t, paused, syscall.SIGSTOP)
	var list []*preblockv1.Attestation
	for i := range 3 {
		s.keyholders[i].start(t)
		list = append(list, s.attest(t, i, locked, previous).GetAttested().GetAttestation())
	}
	cert := attest.StatementOf(s.committee, locked, previous).Certificate(0, list)
	for i := range 2 {
		untilUp(t, &keyholderv1.LockRequest{Certificate: cert}, s.clients[i].Lock)
	}
	send(t, paused, syscall.SIGCONT)
	if code, shown := s.changeView(t, 2, 1, 0, 1, 2, 3); code != 0 {
		t.Fatalf("%d: %s", code, shown)
	}
	eventually(t, "the sequencer does not say why it waits", func() (string, bool) {
		answer, err := seq.GetStatus(t.Context(), &dsnv1.GetStatusRequest{})
		return answer.GetWaiting(), err == nil && strings.Contains(answer.GetWaiting(), "locked another content of number 2 than is in the log")
	})
	undecided(t, seq, 2)
	s.loseDisk(t)
	seq = s.sequencer(t)
	p, _ := s.decided(t, seq, 2)
	if plainOf(p, 0) != "locked" || p.GetCertificate().GetView() != 1 {
		t.Fatalf("decided is %v", p)
	}
	s.goesOn(t, seq, locked)
}

// TestNobodyHasTwoContentsDecidedByChangesOfView: the sequencer and the operator do it together. Once a content is final, no
// statements of a quorum allow another one, in no view, also after each keyholder was killed.
func TestNobodyHasTwoContentsDecidedByChangesOfView(t *testing.T) {
	s := begun(t, 4, 3)
	one, two := contentOf(1, s.sealed(t, "one")), contentOf(1, s.sealed(t, "two"))
	s.split(t, common.Hash{}, one, two)
	open := func(view uint64) []*keyholderv1.ViewChange {
		var out []*keyholderv1.ViewChange
		hash := s.committee.Hash()
		for i := range s.clients {
			s.restart(t, i)
			request := &keyholderv1.ChangeViewRequest{CommitteeHash: hash[:], Number: 1, View: view}
			m := untilUp(t, request, s.clients[i].ChangeView).GetViewChange()
			s.restart(t, i)
			if again := untilUp(t, request, s.clients[i].ChangeView).GetViewChange(); !proto.Equal(again, m) {
				t.Fatalf("keyholder %d says %v, then %v", i, m, again)
			}
			out = append(out, m)
		}
		return out
	}
	propose := func(c *preblockv1.Content, view uint64, changes []*keyholderv1.ViewChange) *keyholderv1.AttestRequest {
		request := s.proposal(t, c, common.Hash{})
		var err error
		if request.Proposal, err = attest.StatementOf(s.committee, c, common.Hash{}).Propose(s.owner, view); err != nil {
			t.Fatal(err)
		}
		request.View, request.ViewChanges = view, changes
		return request
	}
	first := open(1)
	var list, locks []*preblockv1.Attestation
	for i := range s.clients { // both contents are proposed in view 1: whoever attested one attests no other
		answer := untilUp(t, propose(one, 1, first[:3]), s.clients[i].Attest)
		s.restart(t, i)
		refused := untilUp(t, propose(two, 1, first[1:]), s.clients[i].Attest)
		if answer.GetRefusal() != 0 || refused.GetRefusal() != keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_CONTENT {
			t.Fatalf("keyholder %d: %v, %v", i, answer.GetRefusal(), refused.GetRefusal())
		}
		list = append(list, answer.GetAttested().GetAttestation())
	}
	certificate := attest.StatementOf(s.committee, one, common.Hash{}).Certificate(1, list[:3])
	for i := range 3 { // the fourth does not hear of it
		locks = append(locks, untilUp(t, &keyholderv1.LockRequest{Certificate: certificate}, s.clients[i].Lock).GetLock())
	}
	if _, err := s.release(t, 3, attest.Final(certificate, locks)); err != nil {
		t.Fatalf("it is final: %v", err)
	}
	s.restart(t, 3)
	second := open(2)
	for i := range s.clients { // any three of four statements have one that shows it
		changes := append(append([]*keyholderv1.ViewChange{}, second[:i]...), second[i+1:]...)
		for k := range s.clients {
			_, err := s.clients[k].Attest(t.Context(), propose(two, 2, changes))
			if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "it requires content") {
				t.Fatalf("keyholder %d, without statement %d: %v", k, i, err)
			}
		}
		hidden := proto.CloneOf(changes[0])
		hidden.Certificate = nil
		if _, err := s.clients[3].Attest(t.Context(), propose(two, 2, append([]*keyholderv1.ViewChange{hidden}, changes[1:]...))); status.Code(err) != codes.PermissionDenied {
			t.Fatalf("with a certificate taken out: %v", err)
		}
		if _, err := s.clients[3].Attest(t.Context(), propose(two, 2, changes[:2])); status.Code(err) != codes.PermissionDenied {
			t.Fatalf("with two statements: %v", err)
		}
	}
	if answer := untilUp(t, propose(one, 2, second[:3]), s.clients[3].Attest); answer.GetRefusal() != 0 {
		t.Fatalf("what is final, in view 2: %v", answer)
	}
}
