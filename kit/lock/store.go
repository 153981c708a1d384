package lock

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"blindseq/kit/redisx"
)

var (
	//go:embed scripts/acquire.lua
	acquireSource string
	//go:embed scripts/renew.lua
	renewSource string
	//go:embed scripts/release.lua
	releaseSource string
)

// attempt is one Acquire call. Its id is what Redis compares: a holder that acquires twice has two.
type attempt struct {
	id     string
	holder string
	Request
}

// answer to an attempt: the token, or 0 and when to look again if no event comes before.
type answer struct {
	token uint64
	wait  time.Duration
}

// maxJump bounds how far above Request.Floor a token in Redis is believed: a wrong value there must not use up the
// tokens there are, as the blueprint log takes none below its last.
const maxJump = 1 << 32

// store is the lock's record in Redis. Each method is one round trip, and (but for inspect) one script: it happens
// wholly or not at all.
type store struct {
	rdb                             *redisx.Client
	log                             *slog.Logger // of wrong values removed
	name                            string
	lease, token, events            string
	ttl                             time.Duration
	acquireLua, renewLua, returnLua *redis.Script
}

func newStore(rdb *redisx.Client, name string, ttl time.Duration, log *slog.Logger) *store {
	return &store{
		rdb: rdb, log: log, name: name, ttl: ttl,
		lease: rdb.Names.LockLease(name), token: rdb.Names.LockToken(name),
		events:     rdb.Names.LockEvents(name),
		acquireLua: redis.NewScript(acquireSource), renewLua: redis.NewScript(renewSource),
		returnLua: redis.NewScript(releaseSource),
	}
}

func (s *store) acquire(ctx context.Context, a attempt) (answer, error) {
	reply, err := s.acquireLua.Run(ctx, s.rdb, []string{s.lease, s.token},
		a.id, a.holder, s.ttl.Milliseconds(), a.Floor, a.Meta, s.events, maxJump).Slice()
	if err != nil {
		return answer{}, err
	}
	if len(reply) != 3 {
		return answer{}, fmt.Errorf("unexpected reply %v", reply)
	}
	token, isToken := reply[0].(int64)
	wait, isWait := reply[1].(int64)
	removed, isText := reply[2].(string)
	if !isToken || !isWait || !isText || token < 0 {
		return answer{}, fmt.Errorf("unexpected reply %v", reply)
	}
	if removed != "" {
		s.log.WarnContext(ctx, "wrong values in Redis removed", "lock", s.name, "removed", strings.TrimSuffix(removed, "; "))
	}
	return answer{token: uint64(token), wait: time.Duration(wait) * time.Millisecond}, nil
}

func (s *store) renew(ctx context.Context, a attempt, token uint64) (bool, error) {
	n, err := s.renewLua.Run(ctx, s.rdb, []string{s.lease}, s.renewal(a, token)...).Int()
	return n == 1, err
}

func (s *store) renewal(a attempt, token uint64) []any {
	return []any{a.id, s.ttl.Milliseconds(), a.holder, strconv.FormatUint(token, 10), a.Meta, s.events}
}

// release says whether the lock was still this attempt's.
func (s *store) release(ctx context.Context, a attempt) (bool, error) {
	n, err := s.returnLua.Run(ctx, s.rdb, []string{s.lease}, a.id, s.events).Int()
	return n == 1, err
}

func (s *store) status(ctx context.Context) (Status, error) {
	st, err := s.inspect(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("inspect lock %s: %w", s.name, err)
	}
	return st, nil
}

func (s *store) inspect(ctx context.Context) (Status, error) {
	pipe := s.rdb.Pipeline()
	fields := pipe.HMGet(ctx, s.lease, "holder", "token", "meta")
	last := pipe.Get(ctx, s.token)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return Status{}, err
	}
	st := Status{Holder: text(fields.Val(), 0), Meta: text(fields.Val(), 2)}
	token := text(fields.Val(), 1)
	if st.Holder == "" {
		token = last.Val()
	}
	if token == "" {
		return st, nil
	}
	var err error
	if st.Token, err = strconv.ParseUint(token, 10, 64); err != nil {
		return Status{}, fmt.Errorf("token %q is no number", token)
	}
	return st, nil
}

func text(fields []any, i int) string {
	if i >= len(fields) {
		return ""
	}
	s, _ := fields[i].(string)
	return s
}
