package attacks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"blindseq/dsn-node/offline/keygen"
	"blindseq/e2e/cluster"
	"blindseq/e2e/load"
	"blindseq/e2e/standin"
	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// liar is the keyholder that breaks the rules.
const liar = 1

// TestALyingKeyholderIsConvictedAndHoldsNothingUp: one keyholder gives wrong shares, of good transactions and of garbage.
// Blocks go on with the right outcomes, and its own signatures convict it.
func TestALyingKeyholderIsConvictedAndHoldsNothingUp(t *testing.T) {
	t.Parallel()
	var lies *standin.Keyholder
	strangers := map[string][]string{cluster.Producer: {"--seal-min-balance", "0"}} // who send garbage
	s := newScene(t, cluster.Options{Args: strangers, Fronts: map[string]cluster.Front{
		cluster.Keyholder(liar): func(address string, keys *keygen.Files) (string, error) {
			var err error
			if lies, err = standin.Serve(liar, address, keys); err != nil {
				return "", err
			}
			t.Cleanup(func() { _ = lies.Close() }) // calls end with it
			return lies.Address(), nil
		},
	}})
	// With one of four away, the liar's shares are needed, or found out.
	must(t, s.Process(cluster.Keyholder(3)).Kill())
	lies.Behave(standin.WrongShares)
	inner, sealed := s.sealed(s.accounts[0])
	must(t, s.send(sealed.Encode()))
	s.eventually("the sequencer convicting the liar", func(context.Context) error {
		if !strings.Contains(string(s.Process(cluster.DSN).Tail(16<<20)), `msg="keyholder convicted; evidence kept"`) {
			return errors.New("it is not in the log")
		}
		return nil
	})
	// Three shares are needed and only two right ones are there: the fourth keyholder brings the block.
	must(t, s.Process(cluster.Keyholder(3)).Start())
	if r := s.receipt(inner.Hash()); r.Status != types.ReceiptStatusSuccessful {
		t.Errorf("receipt %+v", r)
	}
	for _, kind := range []error{seal.ErrPayload, seal.ErrPadding, seal.ErrSeed} {
		garbage, err := load.NewSealer(s.by, newAccount(t, s), 0).Garbage(kind)
		must(t, err)
		must(t, s.send(garbage.Encode()))
		s.eventually("the end of garbage", func(context.Context) error {
			return s.ended(common.Hash(garbage.ID()), "unopenable: "+kind.Error())
		})
	}
	next, good := s.sealed(s.accounts[0])
	must(t, s.send(good.Encode()))
	s.receipt(next.Hash())

	evidence := filepath.Join(t.TempDir(), "evidence")
	must(t, os.CopyFS(evidence, os.DirFS(filepath.Join(s.DataDir(cluster.DSN), "evidence"))))
	out, err := exec.CommandContext(t.Context(), filepath.Join(programs, cluster.DSN), "inspect", "--committee-file", s.Keys.Committee, evidence).CombinedOutput()
	if want := fmt.Sprintf("evidence against authority %d: ", liar); err != nil || !strings.Contains(string(out), want) {
		t.Errorf("dsn-node inspect: %v, want %q\n%s", err, want, out)
	}
	for _, honest := range []int{0, 2, 3} {
		if strings.Contains(string(out), fmt.Sprintf("evidence against authority %d: ", honest)) {
			t.Errorf("an honest keyholder is convicted:\n%s", out)
		}
	}
}
