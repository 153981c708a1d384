package attacks

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/kit/certs"
	"blindseq/kit/certs/certstest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/redis/go-redis/v9"
)

// TestWhoeverWritesRedisIsSentNothing attacks users' plain transactions: the attacker writes Redis, and has a certificate of the
// same authority, the bundler's. It names its own server as the leader and as a replica that serves reads, over and over.
func TestWhoeverWritesRedisIsSentNothing(t *testing.T) {
	t.Parallel()
	a, err := certstest.NewAuthority()
	must(t, err)
	s := newScene(t, cluster.Options{TLS: a, Args: map[string][]string{cluster.Producer: {"--time-between-blocks", "200ms"}}})
	evil := newImpostor(t, a)
	ctx, stop := context.WithCancel(t.Context())
	var attack sync.WaitGroup
	rewrites := 0
	attack.Go(func() { rewrites = evil.writeRedis(ctx, t, s.RedisURL()) })

	var hashes []common.Hash
	for began := time.Now(); time.Since(began) < 5*time.Second; {
		tx, err := s.accounts[0].Transfer(s.accounts[1].Address)
		must(t, err)
		must(t, s.client.SendTransaction(t.Context(), tx))
		if _, err := s.client.BalanceAt(t.Context(), s.accounts[0].Address, nil); err != nil {
			t.Error(err)
		}
		hashes = append(hashes, tx.Hash())
	}
	stop()
	attack.Wait()
	for _, hash := range hashes {
		s.receipt(hash)
	}
	t.Logf("%d rewrites of Redis, %d connections to the impostor, %d bytes sent to it; %d transactions in blocks",
		rewrites, evil.connections.Load(), evil.bytes.Load(), len(hashes))
	if evil.bytes.Load() != 0 {
		t.Errorf("the impostor was sent %d bytes", evil.bytes.Load())
	}
	if evil.connections.Load() == 0 {
		t.Error("nobody connected to the impostor: this was no test of it")
	}
}

// impostor serves TLS with the bundler's certificate, and counts what it is sent.
type impostor struct {
	address            string
	connections, bytes atomic.Int64
}

func newImpostor(t *testing.T, a *certstest.Authority) *impostor {
	t.Helper()
	files, err := a.Write(t.TempDir(), "bundler", time.Hour)
	must(t, err)
	source, err := certs.Open(files)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	i := &impostor{address: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			i.connections.Add(1)
			go i.serve(tls.Server(conn, source.Server("http/1.1")))
		}
	}()
	return i
}

func (i *impostor) serve(conn net.Conn) {
	defer conn.Close()
	for b := make([]byte, 1024); ; {
		n, err := conn.Read(b)
		i.bytes.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// writeRedis names the impostor as the leader and as a replica until ctx ends, and returns how often it did.
func (i *impostor) writeRedis(ctx context.Context, t *testing.T, url string) (rewrites int) {
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Error(err)
		return 0
	}
	rdb := redis.NewClient(o)
	defer rdb.Close()
	endpoint := fmt.Sprintf(`{"grpc":%q,"rpc":%q,"name":"localhost"`, i.address, i.address)
	for pace := time.NewTicker(20 * time.Millisecond); ; {
		for pattern, write := range map[string]func(key string) error{
			"*{lock:producer}:lease": func(key string) error { return rdb.HSet(ctx, key, "meta", endpoint+"}").Err() },
			"*roster:producer": func(key string) error {
				return rdb.HSet(ctx, key, i.address, fmt.Sprintf("%d %s,\"head\":1}", time.Now().Add(time.Second).UnixMilli(), endpoint)).Err()
			},
		} {
			keys, _ := rdb.Keys(ctx, pattern).Result()
			for _, key := range keys {
				if write(key) == nil {
					rewrites++
				}
			}
		}
		channels, _ := rdb.PubSubChannels(ctx, "*{lock:producer}:events").Result()
		for _, channel := range channels {
			_ = rdb.Publish(ctx, channel, "acquired").Err()
		}
		select {
		case <-pace.C:
		case <-ctx.Done():
			pace.Stop()
			return rewrites
		}
	}
}
