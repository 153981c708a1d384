package k8s

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blindseq/e2e/history"

	"github.com/ethereum/go-ethereum/core/types"
)

const (
	producers = "statefulset.apps/producer-svc"
	backup    = "producer-backup" // the claim that the copy is in
)

// A producer's volume is backed up and restored as docs/operations.md says: the copy is of the highest ordinal, and becomes the
// volume of the first while all are stopped. The first comes to the head of the others, from the copy on.
func TestAProducersVolumeIsRestoredFromItsBackup(t *testing.T) {
	s := open(t)
	usual, err := s.Replicas(t.Context(), producers)
	must(t, err)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := s.Scale(ctx, producers, usual); err != nil {
			t.Error(err)
		}
		if _, err := s.Kubectl(ctx, "delete", "pvc", backup, "--ignore-not-found"); err != nil {
			t.Error(err)
		}
	})
	s.transferThrough(t, s.rpc)
	s.scaleDown(t, producers, usual-1)
	s.claim(t, backup)
	s.copyVolume(t, fmt.Sprintf("data-producer-svc-%d", usual-1), backup)
	must(t, s.Scale(t.Context(), producers, usual))
	copied, err := s.rpc.BlockNumber(t.Context())
	must(t, err)

	r := s.underLoad(t)
	eventually(t, "transactions after the backup", func(context.Context) (bool, error) { return r.acks() > 100, nil })
	r.end(t)
	before, err := s.rpc.HeaderByNumber(t.Context(), nil)
	must(t, err)

	s.scaleDown(t, producers, 0)
	_, err = s.Kubectl(t.Context(), "delete", "pvc", "data-producer-svc-0")
	must(t, err)
	s.claim(t, "data-producer-svc-0")
	s.copyVolume(t, backup, "data-producer-svc-0")
	must(t, s.Scale(t.Context(), producers, usual))
	pods, err := s.Pods(t.Context(), "producer-svc")
	must(t, err)
	for _, p := range pods {
		client, err := s.ofPod(t.Context(), p.Name)
		must(t, err)
		var after *types.Header
		eventually(t, p.Name+" at the head", func(ctx context.Context) (bool, error) {
			after, err = client.HeaderByNumber(ctx, before.Number)
			return err == nil, err
		})
		client.Close()
		if after.Hash() != before.Hash() {
			t.Errorf("%s has block %s as %s, it was %s", p.Name, before.Number, after.Hash(), before.Hash())
		}
	}
	s.transferThrough(t, s.rpc)
	t.Logf("backed up at block %d, restored at %s", copied, before.Number)
	for _, v := range history.Check(r.History()) {
		t.Error(v)
	}
}

func (s *system) scaleDown(t *testing.T, workload string, replicas int) {
	t.Helper()
	must(t, s.Scale(t.Context(), workload, replicas))
	s.gone(t, workload, replicas)
}

func (s *system) claim(t *testing.T, name string) {
	t.Helper()
	s.apply(t, "claim.yaml", "$(NAME)", name)
}

// copyVolume runs the Job that copies one claim's volume into another.
func (s *system) copyVolume(t *testing.T, from, to string) {
	t.Helper()
	pods, err := s.Pods(t.Context(), "redis")
	must(t, err)
	_, tag, _ := strings.Cut(pods[0].Spec.Containers[0].Image, ":")
	s.apply(t, "copy.yaml", "$(FROM)", from, "$(TO)", to, "$(TAG)", tag)
	_, err = s.Kubectl(t.Context(), "wait", "--for=condition=Complete", "--timeout=120s", "job/copy-volume")
	must(t, err)
	_, err = s.Kubectl(t.Context(), "delete", "job", "copy-volume")
	must(t, err)
}

// apply applies a file of testdata with its words filled in.
func (s *system) apply(t *testing.T, file string, words ...string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	must(t, err)
	filled := filepath.Join(t.TempDir(), file)
	must(t, os.WriteFile(filled, []byte(strings.NewReplacer(words...).Replace(string(text))), 0o600))
	_, err = s.Kubectl(t.Context(), "apply", "-f", filled)
	must(t, err)
}
