package k8s

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"blindseq/e2e/k8s/kube"

	corev1 "k8s.io/api/core/v1"
)

// longestLeaderless is how long it may take until another producer leads.
const longestLeaderless = 10 * time.Second

// The leading producer is killed: another leads, nothing acknowledged is lost, and the first comes back to stand by.
func TestKillingTheLeadingProducerLosesNothing(t *testing.T) {
	t.Run("its process", func(t *testing.T) {
		loseLeader(t, func(ctx context.Context, s *system, pod corev1.Pod) error { return s.Kill(ctx, pod) })
	})
	t.Run("its process, its pod and its volume", func(t *testing.T) {
		loseLeader(t, func(ctx context.Context, s *system, pod corev1.Pod) error {
			return errors.Join(s.Kill(ctx, pod), s.DeleteWithVolume(ctx, pod.Name))
		})
	})
}

func loseLeader(t *testing.T, lose func(context.Context, *system, corev1.Pod) error) {
	s := open(t)
	r := s.underLoad(t)
	r.someAcks(t)
	old := s.leading(t, "")
	before := r.acks()
	r.phase.begin()
	began := r.Now()
	must(t, lose(t.Context(), s, old))
	next := s.leading(t, old.Name)
	took := r.Now() - began
	r.awaitProgress(t)
	_, still := r.phase.begin()
	t.Logf("%s was lost with %d transactions acknowledged; %s leads after %s; %s", old.Name, before, next.Name, took.Round(time.Millisecond), still)
	if took > longestLeaderless {
		t.Errorf("no producer led for %s", took)
	}
	back := s.standsBy(t, old)
	t.Logf("%s stands by again %s after it was lost, at block %g", back.Name, (r.Now() - began).Round(100*time.Millisecond), s.metric(t.Context(), back, "blindseq_producer_head_number"))
	r.someAcks(t)
	if skipped := r.judge(t); skipped > 0 {
		t.Errorf("%d acknowledged transactions are in no block", skipped)
	}
}

// leading is the producer that says that it leads, another than the one that did.
func (s *system) leading(t *testing.T, but string) (leader corev1.Pod) {
	t.Helper()
	eventually(t, "a leading producer", func(ctx context.Context) (bool, error) {
		pods, err := s.Pods(ctx, "producer-svc")
		for _, p := range pods {
			if p.Name != but && s.metric(ctx, p, "blindseq_producer_leading") == 1 {
				leader = p
				return true, nil
			}
		}
		return false, err
	})
	return leader
}

// standsBy waits until a producer that was lost is there again, ready, and at the head behind another.
func (s *system) standsBy(t *testing.T, lost corev1.Pod) (back corev1.Pod) {
	t.Helper()
	eventually(t, lost.Name+" standing by again", func(ctx context.Context) (bool, error) {
		pods, err := s.Pods(ctx, "producer-svc")
		if err != nil {
			return false, err
		}
		for _, p := range pods {
			again := p.Name == lost.Name && len(p.Status.ContainerStatuses) > 0 &&
				p.Status.ContainerStatuses[0].ContainerID != lost.Status.ContainerStatuses[0].ContainerID
			if again && kube.Ready(p) && s.metric(ctx, p, "blindseq_producer_leading") == 0 && s.metric(ctx, p, "blindseq_producer_behind_blocks") <= 1 {
				back = p
				return true, nil
			}
		}
		return false, fmt.Errorf("%s is not ready", lost.Name)
	})
	return back
}

// metric is a pod's metric, asked of the pod itself; -1 when it does not answer.
func (s *system) metric(ctx context.Context, pod corev1.Pod, name string) float64 {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+kube.Address(pod, "ops")+"/metrics", nil)
	if err != nil {
		return -1
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return -1
	}
	defer answer.Body.Close()
	v, err := kube.Sum(answer.Body, name)
	if err != nil {
		return -1
	}
	return v
}
