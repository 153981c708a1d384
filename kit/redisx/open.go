// Package redisx opens Redis the way this system needs it, and watches channels.
//
// A client from Open never repeats a command on its own (a lost reply does not mean the command did not run: the caller
// knows whether to ask again), honours the deadline of a context, and gives up on a dead Redis within about a second.
package redisx

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"blindseq/kit/rediskeys"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// ErrURL is wrapped by Open when the URL cannot be used. Its texts never hold any part of the URL that may be secret.
var ErrURL = errors.New("redis url")

const (
	dialTimeout = time.Second
	ioTimeout   = time.Second
	poolSize    = 32
)

const usage = "want redis://[user:password@]host:port[/db], rediss:// for TLS, or " +
	"redis+sentinel://[user:password@]host:port,host:port/db?master=name (percent-encode special characters)"

// Config says which Redis, and for which deployment.
type Config struct {
	URL        string
	CA         string // file with the certificates (PEM) of the authority of Redis; empty trusts the system's
	Deployment string
}

// Client is a client and the names of its deployment's keys and channels.
type Client struct {
	redis.UniversalClient
	Names rediskeys.Names
}

// Open makes a client; it does not connect. Timeouts and pool sizes in the URL's query win over the defaults here.
func Open(cfg Config) (*Client, error) {
	scheme, rest, ok := strings.Cut(cfg.URL, "://")
	secure, err := secured(scheme, cfg.CA)
	if err != nil {
		return nil, err
	}
	var client *redis.Client
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: no scheme: %s", ErrURL, usage)
	case scheme == "redis+sentinel" || scheme == "rediss+sentinel":
		client, err = openSentinel(rest, secure)
	case scheme == "redis" || scheme == "rediss" || scheme == "unix":
		client, err = openSingle(cfg.URL, secure)
	default:
		return nil, fmt.Errorf("%w: scheme %q is not known: %s", ErrURL, scheme, usage)
	}
	if err != nil {
		return nil, err
	}
	names, err := rediskeys.New(cfg.Deployment, client.Options().DB)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--deployment: %w", err), client.Close())
	}
	return &Client{client, names}, nil
}

func openSingle(rawURL string, secure *tls.Config) (*redis.Client, error) {
	o, err := redis.ParseURL(rawURL)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrURL, explain(err))
	}
	if o.TLSConfig != nil {
		o.TLSConfig.RootCAs = secure.RootCAs
	}
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.DialTimeout = cmp.Or(o.DialTimeout, dialTimeout)
	o.ReadTimeout = cmp.Or(o.ReadTimeout, ioTimeout)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, ioTimeout)
	o.PoolSize = cmp.Or(o.PoolSize, poolSize)
	return redis.NewClient(o), nil
}

// explain keeps what a *url.Error quotes out of the text: it is the URL, password included.
func explain(err error) string {
	if _, ok := errors.AsType[*url.Error](err); ok {
		return "cannot be parsed: " + usage
	}
	return strings.TrimPrefix(err.Error(), "redis: ")
}

// openSentinel takes the list of hosts apart itself: net/url knows no such authority.
func openSentinel(rest string, secure *tls.Config) (*redis.Client, error) {
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	user, hosts := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, hosts = authority[:i+1], authority[i+1:]
	}
	u, err := url.Parse("redis://" + user + "sentinel" + tail)
	if err != nil {
		return nil, fmt.Errorf("%w: cannot be parsed: %s", ErrURL, usage)
	}
	o, err := sentinelOptions(u, hosts)
	if err != nil {
		return nil, err
	}
	if secure != nil {
		secure.ServerName = hostOf(o.SentinelAddrs[0])
		o.TLSConfig = secure
	}
	return redis.NewFailoverClient(o), nil
}

func sentinelOptions(u *url.URL, hosts string) (*redis.FailoverOptions, error) {
	o := &redis.FailoverOptions{
		MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true, DisableIdentity: true,
		DialTimeout: dialTimeout, ReadTimeout: ioTimeout, WriteTimeout: ioTimeout, PoolSize: poolSize,
		Username: u.User.Username(),
	}
	o.Password, _ = u.User.Password()
	query := u.Query()
	for key := range query {
		switch key {
		case "master":
			o.MasterName = query.Get(key)
		case "sentinel_password":
			o.SentinelPassword = query.Get(key)
		default:
			return nil, fmt.Errorf("%w: option %q is not known with sentinels: %s", ErrURL, key, usage)
		}
	}
	if o.MasterName == "" {
		return nil, fmt.Errorf("%w: no ?master= naming the monitored master: %s", ErrURL, usage)
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if !strings.Contains(host, ":") || strings.HasPrefix(host, ":") {
			return nil, fmt.Errorf("%w: a sentinel is not host:port: %s", ErrURL, usage)
		}
		o.SentinelAddrs = append(o.SentinelAddrs, host)
	}
	if db := strings.Trim(u.Path, "/"); db != "" {
		n, err := strconv.ParseUint(db, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("%w: the database is not a number: %s", ErrURL, usage)
		}
		o.DB = int(n)
	}
	return o, nil
}
