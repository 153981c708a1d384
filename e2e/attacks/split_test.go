package attacks

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/kit/certs/certstest"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// changeView runs the operator's command over all keyholders, with more arguments.
func (s *scene) changeView(number, view uint64, more ...string) (shown string, err error) {
	s.t.Helper()
	var targets []string
	for authority := range s.by.Size() {
		targets = append(targets, s.GRPC(cluster.Keyholder(authority)))
	}
	args := []string{"change-view", "--committee-file", s.Keys.Committee, "--keyholders", strings.Join(targets, ","),
		"--number", fmt.Sprint(number), "--view", fmt.Sprint(view)}
	out, err := exec.CommandContext(s.t.Context(), filepath.Join(programs, cluster.DSN), append(args, more...)...).CombinedOutput()
	return string(out), err
}

// TestASplitChainGoesOnInAHigherView: whoever has the sequencer's key has two of four keyholders attest one content and two another.
// The chain stands still. An operator changes the view, while a keyholder is killed: what waits is executed, in the same blocks on the leader and on an
// observer from genesis, and what was final before stays.
func TestASplitChainGoesOnInAHigherView(t *testing.T) {
	t.Parallel()
	s := newScene(t, cluster.Options{Replicas: []cluster.Replica{{Name: "late", Observer: true}}})
	a := s.accounts[0]
	sent := func() common.Hash {
		inner, out := s.sealed(a)
		must(t, s.send(out.Encode()))
		return inner.Hash()
	}
	before := s.receipt(sent())
	s.pool(true)
	victim := sent()
	_, others := s.sealed(s.accounts[1])
	contents := []*preblockv1.Content{s.next(others.Encode()), s.next()}
	split := contents[0].GetNumber()
	for authority := range s.by.Size() {
		_, err := s.attest(authority, contents[authority%2])
		must(t, err)
	}
	s.pool(false)
	// Nothing tells that a number stays undecided: it is asked for again and again, for much longer than a round takes.
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if _, err := s.sequencer().GetPreblock(t.Context(), &dsnv1.GetPreblockRequest{Number: split}); err == nil {
			t.Fatalf("number %d is decided", split)
		}
	}
	if shown, err := s.changeView(before.BlockNumber.Uint64(), 1); err == nil || strings.Count(shown, "nothing changes what is final") != 4 {
		t.Fatalf("of a final number: %v\n%s", err, shown)
	}
	must(t, s.Process(cluster.Keyholder(2)).Kill())
	if shown, err := s.changeView(split, 1); err != nil || !strings.Contains(shown, "nothing is locked") {
		t.Fatalf("%v\n%s", err, shown)
	}
	must(t, s.Process(cluster.Keyholder(2)).Start())
	if got := s.receipt(victim); got.Status != 1 || got.BlockNumber.Uint64() != split {
		t.Fatalf("it was executed in block %s: %v", got.BlockNumber, got.Status)
	}
	if got := s.preblock(split).GetCertificate().GetView(); got != 1 {
		t.Fatalf("decided in view %d", got)
	}
	must(t, s.Process(cluster.Keyholder(1)).Kill()) // so that the one that came back is needed
	after := s.receipt(sent())
	must(t, s.Process(cluster.Keyholder(1)).Start())
	if got := s.preblock(after.BlockNumber.Uint64()).GetCertificate().GetView(); got != 0 {
		t.Fatalf("the next one is decided in view %d", got)
	}
	if shown, err := s.changeView(split, 2); err == nil {
		t.Fatalf("of what is final now: %s", shown)
	}
	must(t, s.Process("late").Kill())
	must(t, os.RemoveAll(s.DataDir("late")))
	must(t, s.Process("late").Start())
	for number := range after.BlockNumber.Uint64() {
		s.mustAgree("late", number+1)
	}
}

// TestOnlyAnOperatorHasTheViewChanged: with mutual TLS, no other service's certificate will do, not the sequencer's either. An operator who
// does it while nothing is wrong changes nothing and stops nothing.
func TestOnlyAnOperatorHasTheViewChanged(t *testing.T) {
	t.Parallel()
	a, err := certstest.NewAuthority()
	must(t, err)
	s := newScene(t, cluster.Options{TLS: a})
	block := s.receipt(s.transfer().Hash())
	before := block.BlockNumber.Uint64()
	as := func(name string) []string {
		files := certstest.Layout(s.CertificateDir(name))
		return []string{"--tls-cert", files.Cert, "--tls-key", files.Key, "--tls-ca", files.CA}
	}
	for _, name := range []string{cluster.DSN, cluster.Keyholder(0), cluster.Gateway, cluster.Producer, cluster.Monitor} {
		if shown, err := s.changeView(before, 1, as(name)...); err == nil || strings.Count(shown, "error: ") != 4 || !strings.Contains(shown, "0 of 4") {
			t.Errorf("%s: %v\n%s", name, err, shown)
		}
	}
	if shown, err := s.changeView(0, 1, as("operator")...); err != nil || strings.Contains(shown, "view") {
		t.Fatalf("nobody is in another view: %v\n%s", err, shown)
	}
	// Keyholders learn that a number is final with the next one. Until then they leave its view, and say what they have locked.
	if shown, err := s.changeView(before, 1, as("operator")...); err != nil || !strings.Contains(shown, "is locked, and may be final") {
		t.Fatalf("%v\n%s", err, shown)
	}
	after := s.receipt(s.transfer().Hash()).BlockNumber.Uint64()
	if again := s.receipt(block.TxHash); after != before+1 || again.BlockHash != block.BlockHash || s.preblock(before).GetCertificate().GetView() != 0 {
		t.Fatalf("block %d after %d, which is %s and was %s", after, before, again.BlockHash, block.BlockHash)
	}
}

// transfer sends a plain one.
func (s *scene) transfer() *types.Transaction {
	s.t.Helper()
	tx, err := s.accounts[0].Transfer(s.accounts[1].Address)
	must(s.t, err)
	must(s.t, s.client.SendTransaction(s.t.Context(), tx))
	return tx
}
