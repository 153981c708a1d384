package k8s

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// work is the metric that shows that a pod of a workload does its part under the load.
func work() map[string]string {
	return map[string]string{
		"deployment.apps/api-gw":             "blindseq_gateway_requests_total",
		"deployment.apps/proposer-svc":       "blindseq_grpc_server_seconds_count",
		"deployment.apps/monitor-svc":        "blindseq_grpc_server_seconds_count",
		"statefulset.apps/producer-svc":      "blindseq_producer_rpc_requests_total",
		"statefulset.apps/producer-observer": "blindseq_producer_rpc_requests_total",
		"statefulset.apps/bundler":           "blindseq_bundler_requests_total",
	}
}

// single says why a workload has one pod by design, "" of one that is scaled.
func single(workload string) string {
	switch _, name, _ := strings.Cut(workload, "/"); {
	case name == "sequencer":
		return "one party fixes the order; what it has fixed is on its volume"
	case strings.HasPrefix(name, "keyholder-"):
		return "one for each key of the committee"
	case name == "redis":
		return "two would not know of each other; the component redis-sentinel has replicas"
	}
	return ""
}

// Scaling fails no request, and gives the new pods their share.
func TestScalingUpAndDownUnderLoadFailsNoRequestAndSpreadsTheWork(t *testing.T) {
	workloads, err := open(t).Workloads(t.Context())
	must(t, err)
	for _, w := range workloads {
		if why := single(w); why != "" {
			t.Logf("%s is not scaled: %s", w, why)
			continue
		}
		t.Run(w, func(t *testing.T) { scaleUpAndDown(t, w, work()[w]) })
	}
}

func scaleUpAndDown(t *testing.T, workload, metric string) {
	s := open(t)
	usual, err := s.Replicas(t.Context(), workload)
	must(t, err)
	r := s.underLoad(t)
	must(t, s.Scale(t.Context(), workload, usual+2))
	t.Cleanup(func() {
		if err := s.Scale(context.WithoutCancel(t.Context()), workload, usual); err != nil {
			t.Error(err)
		}
	})
	s.eachWorks(t, workload, metric, usual+2)
	must(t, s.Scale(t.Context(), workload, usual))
	s.gone(t, workload, usual)
	r.awaitProgress(t)
	r.judge(t)
	r.noneFailed(t)
	if strings.HasSuffix(workload, "/bundler") {
		noneFailed(t, "bundler", r.bundled)
	}
}

// eachWorks waits until every pod of a workload has done something since now.
func (s *system) eachWorks(t *testing.T, workload, metric string, want int) {
	t.Helper()
	_, name, _ := strings.Cut(workload, "/")
	pods, err := s.Pods(t.Context(), name)
	must(t, err)
	if len(pods) != want {
		t.Fatalf("%s has %d pods, not %d", name, len(pods), want)
	}
	begin := map[string]float64{}
	for _, p := range pods {
		begin[p.Name], err = s.Metric(t.Context(), p, metric)
		must(t, err)
	}
	did := make([]string, len(pods))
	eventually(t, "work of every pod of "+name, func(ctx context.Context) (bool, error) {
		for i, p := range pods {
			now, err := s.Metric(ctx, p, metric)
			if err != nil {
				return false, err
			}
			if now < begin[p.Name]+10 {
				return false, fmt.Errorf("%s has only %g more of %s", p.Name, now-begin[p.Name], metric)
			}
			did[i] = fmt.Sprintf("%s +%g", p.Name, now-begin[p.Name])
		}
		return true, nil
	})
	t.Logf("%s: %s", metric, strings.Join(did, ", "))
}

// gone waits until the pods that are too many have ended.
func (s *system) gone(t *testing.T, workload string, left int) {
	t.Helper()
	_, name, _ := strings.Cut(workload, "/")
	eventually(t, "the end of the pods that are too many", func(ctx context.Context) (bool, error) {
		var list corev1.PodList
		err := s.Get(ctx, &list, "pods", "-l", "app.kubernetes.io/name="+name)
		return err == nil && len(list.Items) == left, err
	})
}
