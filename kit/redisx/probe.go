package redisx

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed probe.lua
var probeSource string

var probeScript = redis.NewScript(probeSource)

// Unusable is a Redis that answers, or whose address answers, and will not serve this system until a person changes something.
type Unusable struct {
	Reason string // one word, for a metric
	Change string // what to change
	Err    error
}

func (u *Unusable) Error() string { return u.Change + ": " + u.Err.Error() }

func (u *Unusable) Unwrap() error { return u.Err }

// Probe says whether this system may use a Redis: nil, an *Unusable, or another error when Redis did not answer, which passes by
// itself. It runs every command of the scripts on a key of its own, and reads the settings that Redis shows.
func Probe(ctx context.Context, rdb *Client) error {
	info, err := rdb.Info(ctx).Result()
	if err != nil && !refused(err) {
		return judge(err)
	}
	if err := settings(info); err != nil {
		return err
	}
	if err := probeScript.Run(ctx, rdb, []string{rdb.Names.Probe()}, rdb.Names.ProbeEvents()).Err(); err != nil {
		return judge(err)
	}
	return nil
}

// refused says whether a server answered with an error.
func refused(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok
}

// settings judges what INFO says. A Redis that does not show it is judged by what it does.
func settings(info string) error {
	field := func(name string) string {
		_, rest, _ := strings.Cut(info, "\n"+name+":")
		value, _, _ := strings.Cut(rest, "\n")
		return strings.TrimSpace(value)
	}
	switch policy := field("maxmemory_policy"); {
	case field("cluster_enabled") == "1":
		return unusable("cluster", errors.New("INFO says cluster_enabled:1"))
	case field("role") == "slave":
		return unusable("read_only", errors.New("INFO says role:slave"))
	case field("maxmemory") != "0" && policy != "" && policy != "noeviction":
		return unusable("eviction", fmt.Errorf("INFO says maxmemory_policy:%s", policy))
	}
	return nil
}

// changes is what to change, by reason.
var changes = map[string]string{
	"certificate": "the certificate of Redis is not trusted: name its authority with --redis-ca, and Redis in --redis-url by a name of its certificate",
	"cluster":     "Redis is a cluster, which answers MOVED: use a single Redis, or one with sentinels (redis+sentinel://)",
	"database":    "Redis has no database with the number in --redis-url: choose one that it has",
	"disk":        "Redis refuses writes because it cannot save them: free its disk, or turn its snapshots off",
	"eviction":    "Redis may evict locks when its memory is full: set maxmemory-policy noeviction, or maxmemory 0",
	"full":        "the memory of Redis is full: raise maxmemory",
	"name":        "the host in --redis-url has no address: correct the name, or the DNS",
	"password":    "Redis refuses the user or the password: correct them in --redis-url",
	"permission":  "the user of Redis may not do what is needed: set +@all -@admin -@dangerous +info ~blindseq:* &blindseq:*",
	"protected":   "Redis is in protected mode and serves its own machine only: give it a password, or bind it to an address",
	"read_only":   "Redis is a replica: name the master in --redis-url, or the sentinels (redis+sentinel://)",
	"refused":     "Redis refuses a command: see the error",
	"replicas":    "Redis refuses writes because too few replicas follow it: start them, or lower min-replicas-to-write",
	"scripting":   "Redis runs no scripts: allow EVAL and EVALSHA (ACL +@scripting), and rename neither",
	"tls":         "TLS with Redis fails: use rediss:// where Redis serves TLS and redis:// where it does not, and set tls-auth-clients no",
}

func unusable(reason string, err error) error {
	return &Unusable{Reason: reason, Change: changes[reason], Err: err}
}

// judge makes an *Unusable of an error that does not pass by itself.
func judge(err error) error {
	if refused(err) {
		if reason := ofReply(err.Error()); reason != "" {
			return unusable(reason, err)
		}
		return fmt.Errorf("redis is not ready: %w", err)
	}
	if reason := ofConnection(err); reason != "" {
		return unusable(reason, err)
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("redis closes the connection, as it does where only one side speaks TLS (rediss://): %w", err)
	}
	return fmt.Errorf("redis does not answer: %w", err)
}

func ofConnection(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return "name"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "certificate"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "tls"
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return "tls"
	}
	return ""
}

// replies are parts of what Redis answers; the first that fits gives the reason. An empty reason passes by itself.
var replies = []struct{ part, reason string }{
	{"LOADING", ""}, {"BUSY", ""}, {"MASTERDOWN", ""},
	{"NOAUTH", "password"}, {"WRONGPASS", "password"}, {"invalid password", "password"}, {"without any password configured", "password"},
	{"MOVED", "cluster"}, {"ASK ", "cluster"}, {"CLUSTERDOWN", "cluster"}, {"CROSSSLOT", "cluster"}, {"not allowed in cluster mode", "cluster"},
	{"READONLY", "read_only"}, {"OOM ", "full"}, {"MISCONF", "disk"}, {"NOREPLICAS", "replicas"}, {"DENIED", "protected"},
	{"DB index is out of range", "database"},
	{"'eval", "scripting"}, {"`eval", "scripting"}, {"'EVAL", "scripting"}, {"`EVAL", "scripting"},
	{"NOPERM", "permission"}, {"user executing the script can't", "permission"},
}

func ofReply(text string) string {
	for _, r := range replies {
		if strings.Contains(text, r.part) {
			return r.reason
		}
	}
	return "refused"
}
