package k8s

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/k8s/kube"

	"github.com/redis/go-redis/v9"
	corev1 "k8s.io/api/core/v1"
)

// master is the name under which the component redis-sentinel has its Redis watched.
const master = "blindseq"

// Redis with sentinels loses its master: its process, which may be back before anybody noticed and has forgotten
// everything, and then the pod for as long as it takes the sentinels to agree on another. Blocks go on by themselves, and
// no request fails.
func TestLosingTheMasterOfReplicatedRedisBreaksNothing(t *testing.T) {
	s := open(t)
	sentinels, err := s.Pods(t.Context(), "redis-sentinel")
	must(t, err)
	if len(sentinels) == 0 {
		t.Skip("the deployment has one Redis; `K8S_COMPONENTS=redis-sentinel make k8s-up` gives it one with replicas and sentinels")
	}
	r := s.underLoad(t)
	r.redisIsLost()
	r.someAcks(t)

	r.phase.begin()
	killed := s.redisMaster(t, "")
	must(t, s.Kill(t.Context(), killed))
	r.awaitProgress(t)
	_, still := r.phase.begin()
	t.Logf("%s was killed, %s is master; %s", killed.Name, s.redisMaster(t, "").Name, still)
	s.allReady(t)

	gone := s.redisMaster(t, "")
	workload := "statefulset/" + gone.Name[:strings.LastIndex(gone.Name, "-")]
	replicas, err := s.Replicas(t.Context(), workload)
	must(t, err)
	r.phase.begin()
	began := r.Now()
	_, err = s.Kubectl(t.Context(), "scale", workload, "--replicas", "0")
	must(t, err)
	next := s.redisMaster(t, gone.Name)
	took := r.Now() - began
	r.awaitProgress(t)
	longest, still := r.phase.begin()
	t.Logf("%s is gone, %s is master after %s; %s", gone.Name, next.Name, took.Round(time.Millisecond), still)
	if longest > longestStill {
		t.Errorf("the head stood still for %s", longest)
	}
	must(t, s.Scale(t.Context(), workload, replicas))
	s.isReplica(t, gone.Name)
	r.someAcks(t)
	r.judge(t)
	r.noneFailed(t)
}

// redisMaster is the pod that every sentinel names as the master, another than the one that was, once it says so itself.
func (s *system) redisMaster(t *testing.T, but string) (pod corev1.Pod) {
	t.Helper()
	eventually(t, "a master of Redis", func(ctx context.Context) (bool, error) {
		sentinels, err := s.Pods(ctx, "redis-sentinel")
		if err != nil {
			return false, err
		}
		named := map[string]bool{}
		for _, p := range sentinels {
			name, err := masterAt(ctx, kube.Address(p, "sentinel"))
			if err != nil {
				return false, err
			}
			named[name] = true
		}
		if len(named) != 1 || named[but] {
			return false, fmt.Errorf("the sentinels name %v", named)
		}
		nodes, err := s.Pods(ctx, "redis")
		for _, p := range nodes {
			if named[p.Name] {
				pod = p
				role, err := roleAt(ctx, kube.Address(p, "redis"))
				return role == "master", err
			}
		}
		return false, err
	})
	return pod
}

// isReplica waits until a pod that was the master is a replica.
func (s *system) isReplica(t *testing.T, name string) {
	t.Helper()
	eventually(t, name+" to be a replica", func(ctx context.Context) (bool, error) {
		nodes, err := s.Pods(ctx, "redis")
		for _, p := range nodes {
			if p.Name == name && kube.Ready(p) {
				role, err := roleAt(ctx, kube.Address(p, "redis"))
				return role == "slave", err
			}
		}
		return false, err
	})
}

// masterAt asks a sentinel for the pod that is the master.
func masterAt(ctx context.Context, sentinel string) (name string, err error) {
	c := redis.NewSentinelClient(&redis.Options{Addr: sentinel})
	defer c.Close()
	address, err := c.GetMasterAddrByName(ctx, master).Result()
	if err != nil {
		return "", err
	}
	name, _, _ = strings.Cut(address[0], ".")
	return name, nil
}

// roleAt is "master" or "slave".
func roleAt(ctx context.Context, address string) (role string, err error) {
	c := redis.NewClient(&redis.Options{Addr: address})
	defer c.Close()
	words, err := c.Do(ctx, "role").Slice()
	if err != nil {
		return "", err
	}
	return fmt.Sprint(words[0]), nil
}
