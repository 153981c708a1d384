package redisx_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blindseq/kit/redistest"
	"blindseq/kit/redisx"

	"github.com/alicebob/miniredis/v2"
)

// reason is why a Redis cannot be used; "" when it can.
func reason(t *testing.T, rdb *redisx.Client) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := redisx.Probe(ctx, rdb)
	if err == nil {
		return ""
	}
	u, ok := errors.AsType[*redisx.Unusable](err)
	if !ok {
		t.Fatalf("the probe says only: %v", err)
	}
	if u.Change == "" {
		t.Errorf("%s: nothing says what to change", u.Reason)
	}
	t.Log(err)
	return u.Reason
}

func TestAUsableRedisPassesTheProbe(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		for range 2 {
			if got := reason(t, r.Client); got != "" {
				t.Error(got)
			}
		}
	})
}

func TestTheProbeSaysWhyARedisCannotBeUsed(t *testing.T) {
	for want, spoil := range map[string][]any{
		"scripting":  {"ACL", "SETUSER", "default", "-@scripting"},
		"permission": {"ACL", "SETUSER", "default", "-publish"},
		"read_only":  {"REPLICAOF", "127.0.0.1", "1"},
		"full":       {"CONFIG", "SET", "maxmemory", "1"},
		"password":   {"CONFIG", "SET", "requirepass", "secret"},
		"replicas":   {"CONFIG", "SET", "min-replicas-to-write", "1"},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			r := redistest.Real(t)
			if err := r.Client.Do(t.Context(), spoil...).Err(); err != nil {
				t.Fatal(err)
			}
			if got := reason(t, r.NewClient(t)); got != want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestTheUserThatTheProbeAsksForIsEnough(t *testing.T) {
	r := redistest.Real(t)
	admin := r.NewClient(t)
	user := []any{"ACL", "SETUSER", "blindseq", "reset", "on", ">secret", "+@all", "-@admin", "-@dangerous", "+info", "~blindseq:*", "&blindseq:*"}
	if err := admin.Do(t.Context(), user...).Err(); err != nil {
		t.Fatal(err)
	}
	rdb, err := redisx.Open(redisx.Config{URL: strings.Replace(r.URL, "redis://", "redis://blindseq:secret@", 1), Deployment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	if got := reason(t, rdb); got != "" {
		t.Error(got)
	}
}

func TestKeysAndChannelsAreAmongWhatIsProbed(t *testing.T) {
	for _, rule := range []string{"resetkeys", "resetchannels"} {
		r := redistest.Real(t)
		if err := r.Client.Do(t.Context(), "ACL", "SETUSER", "default", rule).Err(); err != nil {
			t.Fatal(err)
		}
		if got := reason(t, r.Client); got != "permission" {
			t.Errorf("%s: %q", rule, got)
		}
	}
}

func TestAPolicyThatMayEvictLocksIsRefused(t *testing.T) {
	r := redistest.Real(t)
	set := func(name, value string) {
		t.Helper()
		if err := r.Client.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, policy := range []string{"allkeys-lru", "volatile-ttl"} {
		set("maxmemory-policy", policy)
		set("maxmemory", "0")
		if got := reason(t, r.Client); got != "" {
			t.Errorf("%s without a limit: %q", policy, got)
		}
		set("maxmemory", "100mb")
		if got := reason(t, r.Client); got != "eviction" {
			t.Errorf("%s: %q", policy, got)
		}
	}
	set("maxmemory-policy", "noeviction")
	if got := reason(t, r.Client); got != "" {
		t.Errorf("noeviction: %q", got)
	}
}

func TestAClusterIsRefused(t *testing.T) {
	if got := reason(t, redistest.Real(t, "--cluster-enabled", "yes").Client); got != "cluster" {
		t.Errorf("got %q", got)
	}
}

func TestARedisThatIsAwayIsNotUnusable(t *testing.T) {
	r := redistest.Mini(t)
	r.Stop(t)
	err := redisx.Probe(t.Context(), r.Client)
	if _, unusable := errors.AsType[*redisx.Unusable](err); err == nil || unusable {
		t.Errorf("got %v", err)
	}
}

func TestANameWithoutAnAddressIsSaid(t *testing.T) {
	rdb, err := redisx.Open(redisx.Config{URL: "redis://redis.invalid:6379", Deployment: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	err = redisx.Probe(t.Context(), rdb)
	if dns, ok := errors.AsType[*net.DNSError](err); ok && !dns.IsNotFound {
		t.Skipf("this machine's resolver does not say that there is no such name: %v", err)
	}
	if got := reason(t, rdb); got != "name" {
		t.Errorf("got %q", got)
	}
}

func TestTLSIsCheckedAgainstTheAuthority(t *testing.T) {
	certificate, authority := selfSigned(t)
	server := miniredis.NewMiniRedis()
	if err := server.StartTLS(&tls.Config{Certificates: []tls.Certificate{certificate}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	for name, c := range map[string]struct{ url, ca, want string }{
		"the authority":          {"rediss://" + server.Addr(), authority, ""},
		"the system's":           {"rediss://" + server.Addr(), "", "certificate"},
		"a server in plain text": {"rediss://" + plainText(t), authority, "tls"},
		"another name":           {strings.Replace("rediss://"+server.Addr(), "127.0.0.1", "localhost", 1), authority, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			rdb, err := redisx.Open(redisx.Config{URL: c.url, CA: c.ca, Deployment: "test"})
			if err != nil {
				t.Fatal(err)
			}
			defer rdb.Close()
			if got := reason(t, rdb); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestAnAuthorityNeedsTLSAndCertificates(t *testing.T) {
	_, authority := selfSigned(t)
	none := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(none, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, cfg := range []redisx.Config{
		{URL: "redis://h:1", CA: authority}, {URL: "rediss://h:1", CA: none}, {URL: "rediss://h:1", CA: none + "-missing"},
		{URL: "redis+sentinel://h:1/0?master=m", CA: authority},
	} {
		cfg.Deployment = "test"
		if rdb, err := redisx.Open(cfg); err == nil {
			t.Errorf("%+v was opened", cfg)
			_ = rdb.Close()
		}
	}
}

// plainText is the address of a server that answers in plain text at once.
func plainText(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("-ERR Protocol error\r\n"))
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

// selfSigned is a certificate for 127.0.0.1, and the file that trusts it.
func selfSigned(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}
