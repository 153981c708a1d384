package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"blindseq/kit/redisx"

	"github.com/redis/go-redis/v9"
)

const (
	masterName = "blindseq"
	// downAfter is for how long the master must be silent before the sentinels agree that it is gone, while a test wants
	// them to; calm is for how long at all other times, on however busy a machine.
	downAfter, calm = 500 * time.Millisecond, 5 * time.Minute
	// nowhere is an address at which nothing answers.
	nowhereHost, nowherePort = "127.0.0.1", "1"
)

// Sentinels is one master with two replicas, watched by three sentinels: six real processes.
type Sentinels struct {
	URL       string // of the master, through the sentinels: redis+sentinel://…
	nodes     []*process
	sentinels []*process
}

// NewSentinels starts them; they end with the test. Where Only leaves out real servers the test is skipped.
func NewSentinels(t testing.TB) *Sentinels {
	t.Helper()
	if os.Getenv(Only) == "miniredis" {
		t.Skipf("sentinels watch real servers only, and %s leaves them out", Only)
	}
	s := &Sentinels{}
	master := newNode(t)
	s.nodes = append(s.nodes, master)
	for range 2 {
		s.nodes = append(s.nodes, newNode(t, "--replicaof", "127.0.0.1 "+master.port))
	}
	s.AwaitReplicas(t, 2)
	var hosts []string
	for range 3 {
		p := newSentinel(t, master.port)
		s.sentinels = append(s.sentinels, p)
		hosts = append(hosts, "127.0.0.1:"+p.port)
	}
	s.URL = "redis+sentinel://" + strings.Join(hosts, ",") + "/0?master=" + masterName
	s.awaitSentinels(t)
	return s
}

func newNode(t testing.TB, extra ...string) *process {
	t.Helper()
	// A replica connects to a new master at once and takes over the data without a delay for others.
	return newProcess(t, append([]string{"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"}, extra...)...)
}

func newSentinel(t testing.TB, master string) *process {
	t.Helper()
	p := &process{dir: t.TempDir(), ready: "Sentinel ID is"}
	file := filepath.Join(p.dir, "sentinel.conf")
	settings := fmt.Sprintf("sentinel monitor %s 127.0.0.1 %s 2\nsentinel down-after-milliseconds %s %d\n"+
		"sentinel failover-timeout %s 2000\n", masterName, master, masterName, calm.Milliseconds(), masterName)
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	p.extra = []string{file, "--sentinel"}
	return p.startOnFreePort(t)
}

// Node opens a client of the i-th redis-server itself, master or replica.
func (s *Sentinels) Node(t testing.TB, i int) *redisx.Client {
	t.Helper()
	return Redis{URL: s.nodes[i].url()}.NewClient(t)
}

// Open opens a client of the master, through the sentinels.
func (s *Sentinels) Open(t testing.TB) *redisx.Client {
	t.Helper()
	return Redis{URL: s.URL}.NewClient(t)
}

// Master is the index of the redis-server that the sentinels name as the master.
func (s *Sentinels) Master(t testing.TB) int {
	t.Helper()
	master := -1
	s.until(t, "the sentinels name a master", func(ctx context.Context) (bool, error) {
		var err error
		master, err = s.named(ctx)
		return master >= 0, err
	})
	return master
}

// named is the index of the redis-server that every sentinel names as the master: a client asks any one of them,
// and after a failover they learn of it one by one.
func (s *Sentinels) named(ctx context.Context) (int, error) {
	agreed := ""
	for _, p := range s.sentinels {
		client := redis.NewSentinelClient(&redis.Options{Addr: "127.0.0.1:" + p.port})
		addr, err := client.GetMasterAddrByName(ctx, masterName).Result()
		_ = client.Close()
		if err != nil {
			return -1, err
		}
		name := net.JoinHostPort(addr[0], addr[1])
		if agreed != "" && name != agreed {
			return -1, fmt.Errorf("the master is said to be %s and %s", agreed, name)
		}
		agreed = name
	}
	for i, n := range s.nodes {
		if agreed == "127.0.0.1:"+n.port {
			return i, nil
		}
	}
	return -1, fmt.Errorf("the master is said to be %s", agreed)
}

// CutReplicas has the replicas hear nothing more from the master: what is written from now on only it knows.
func (s *Sentinels) CutReplicas(t testing.TB) {
	t.Helper()
	master := s.Master(t)
	for i := range s.nodes {
		if i == master {
			continue
		}
		if err := s.Node(t, i).SlaveOf(t.Context(), nowhereHost, nowherePort).Err(); err != nil {
			t.Fatalf("cut a replica off: %v", err)
		}
	}
}

// Failover kills the master and returns when a replica has been promoted and answers as the master.
func (s *Sentinels) Failover(t testing.TB) {
	t.Helper()
	old := s.Master(t)
	s.nodes[old].stop(t)
	s.missAfter(t, downAfter)
	defer s.missAfter(t, calm)
	s.until(t, "a replica is promoted", func(ctx context.Context) (bool, error) {
		now, err := s.named(ctx)
		if err != nil || now == old {
			return false, err
		}
		role, err := s.role(ctx, now)
		return role == "master", err
	})
}

// missAfter has every sentinel take a server for down that was silent for so long.
func (s *Sentinels) missAfter(t testing.TB, d time.Duration) {
	t.Helper()
	for _, p := range s.sentinels {
		client := redis.NewSentinelClient(&redis.Options{Addr: "127.0.0.1:" + p.port})
		err := client.Set(t.Context(), masterName, "down-after-milliseconds", strconv.FormatInt(d.Milliseconds(), 10)).Err()
		_ = client.Close()
		if err != nil {
			t.Fatalf("sentinel at port %s: %v", p.port, err)
		}
	}
}

// Heal starts what was killed, and waits until the master has both its replicas again and all sentinels know it.
func (s *Sentinels) Heal(t testing.TB) {
	t.Helper()
	for _, n := range s.nodes {
		if n.cmd == nil {
			n.start(t)
		}
	}
	master := s.Master(t)
	for i := range s.nodes { // the sentinels would do it too, after ten seconds
		if i == master {
			continue
		}
		node := s.Node(t, i)
		s.until(t, "a node is a replica of the new master", func(ctx context.Context) (bool, error) {
			err := node.SlaveOf(ctx, "127.0.0.1", s.nodes[master].port).Err() // a sentinel may hang up on us meanwhile
			return err == nil, err
		})
	}
	s.AwaitReplicas(t, 2)
	s.awaitSentinels(t)
}

// AwaitReplicas waits until the master has so many replicas that follow it.
func (s *Sentinels) AwaitReplicas(t testing.TB, n int) {
	t.Helper()
	s.until(t, "the replicas follow the master", func(ctx context.Context) (bool, error) {
		master := 0
		if len(s.sentinels) > 0 {
			var err error
			if master, err = s.named(ctx); err != nil {
				return false, err
			}
		}
		info, err := s.ask(ctx, master, "INFO", "replication")
		return strings.Count(info, "state=online") == n, err
	})
}

func (s *Sentinels) awaitSentinels(t testing.TB) {
	t.Helper()
	s.until(t, "every sentinel knows the others and the replicas", func(ctx context.Context) (bool, error) {
		for _, p := range s.sentinels {
			client := redis.NewSentinelClient(&redis.Options{Addr: "127.0.0.1:" + p.port})
			master, err := client.Master(ctx, masterName).Result()
			_ = client.Close()
			if err != nil || master["num-other-sentinels"] != "2" || master["num-slaves"] != "2" || master["flags"] != "master" {
				return false, err
			}
		}
		return true, nil
	})
}

func (s *Sentinels) role(ctx context.Context, i int) (string, error) {
	info, err := s.ask(ctx, i, "INFO", "replication")
	_, rest, _ := strings.Cut(info, "role:")
	role, _, _ := strings.Cut(rest, "\r\n")
	return role, err
}

func (s *Sentinels) ask(ctx context.Context, i int, command ...any) (string, error) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + s.nodes[i].port})
	defer client.Close()
	return client.Do(ctx, command...).Text()
}

// until polls: the state of other processes shows in no other way.
func (s *Sentinels) until(t testing.TB, what string, look func(context.Context) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := look(ctx)
		if done && err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			for _, p := range slices.Concat(s.sentinels, s.nodes) {
				journal, _ := os.ReadFile(p.journal())
				t.Logf("port %s:\n%s", p.port, journal)
			}
			t.Fatalf("waited in vain until %s: %v", what, err)
		}
	}
}
