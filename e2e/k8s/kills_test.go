package k8s

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"blindseq/e2e/k8s/kube"
)

const (
	killForEnv = "BLINDSEQ_K8S_KILL_FOR" // how long the kills take together, 2m if not set
	seedEnv    = "BLINDSEQ_K8S_SEED"     // of their order, one by the clock if not set
)

// Every pod is killed once, in random order, Redis included: nothing that was promised is broken.
func TestKillingEveryPodOnceBreaksNothing(t *testing.T) {
	lasting, seed := 2*time.Minute, uint64(time.Now().UnixNano())
	var err error
	if text := os.Getenv(killForEnv); text != "" {
		lasting, err = time.ParseDuration(text)
		must(t, err)
	}
	if text := os.Getenv(seedEnv); text != "" {
		seed, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	s := open(t)
	pods, err := s.Pods(t.Context(), "")
	must(t, err)
	order := rand.New(rand.NewPCG(seed, 0))
	order.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
	t.Logf("%d pods in %s, in the order of %s=%d", len(pods), lasting, seedEnv, seed)

	r := s.underLoad(t)
	r.redisIsLost()
	pace := time.NewTicker(lasting / time.Duration(len(pods)))
	defer pace.Stop()
	for _, p := range pods {
		<-pace.C
		t.Logf("%s: kill %s", r.Now().Round(time.Millisecond), p.Name)
		must(t, s.Kill(t.Context(), p))
	}
	s.allReady(t)
	r.awaitProgress(t)
	r.judge(t)
}

// allReady waits until every pod is.
func (s *system) allReady(t *testing.T) {
	t.Helper()
	workloads, err := s.Workloads(t.Context())
	must(t, err)
	for _, w := range workloads {
		must(t, s.AwaitRollout(t.Context(), w))
	}
	pods, err := s.Pods(t.Context(), "")
	must(t, err)
	for _, p := range pods {
		if !kube.Ready(p) {
			t.Errorf("%s is not ready", p.Name)
		}
	}
}
