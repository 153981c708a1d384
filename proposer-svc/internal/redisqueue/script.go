package redisqueue

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"blindseq/proposer-svc/queue"
)

//go:embed commit.lua
var commitSource string

// What commit.lua answers as outcome.
const (
	applied   = "applied"
	changed   = "changed"
	notActive = "not active"
)

// snapshot is what is stored, as one transition sees it, and the tag by which a change of it is noticed. A tag is
// unique for ever and not a counter, so that a wiped Redis never comes back to a tag that was seen before.
type snapshot struct {
	tag  string
	view queue.State
}

// commit is one run of the script.
type commit struct {
	saw     string // tag
	leave   string // tag
	subject string
	lease   string
	unknown bool   // the transition took the subject for unknown
	channel string // to wake others on; empty for none
	effects []queue.Effect
	ending  string // id of the request that is ending afterwards; empty for none
}

func (s *Store) run(ctx context.Context, c commit) (outcome string, now snapshot, err error) {
	args := []any{
		c.saw, c.leave, c.lease, c.subject, flag(c.unknown), processedLimit,
		strconv.FormatInt(s.cfg.ProcessedTTL.Milliseconds(), 10), RecentLimit, c.channel, s.holder(), c.ending,
	}
	for _, f := range c.effects {
		request, err := encode(f.Request)
		if err != nil {
			return "", now, err
		}
		args = append(args, f.Op.String(), f.Request.ID, request)
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	reply, err := s.script.Run(ctx, s.rdb, s.keys, args...).Slice()
	if err != nil {
		return "", now, unavailable(err)
	}
	return parse(reply)
}

func (s *Store) holder() string {
	if s.cfg.Holder == nil {
		return ""
	}
	return s.cfg.Holder()
}

const commandTimeout = 2 * time.Second

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func parse(reply []any) (outcome string, now snapshot, err error) {
	if len(reply) == 2 {
		return "", now, fmt.Errorf("%w: %v", ErrDamaged, reply[1])
	}
	if len(reply) != 9 {
		return "", now, fmt.Errorf("%w: reply of %d parts, expected 9", ErrDamaged, len(reply))
	}
	text := make([]string, len(reply))
	for i, part := range reply {
		text[i] = fmt.Sprint(part)
	}
	length, err := strconv.Atoi(text[2])
	if err != nil {
		return "", now, fmt.Errorf("%w: length %q", ErrDamaged, text[2])
	}
	now = snapshot{tag: text[1], view: queue.State{Queued: length}}
	for i, to := range []**queue.Request{&now.view.Current, &now.view.Head, &now.view.Known} {
		if *to, err = decodeOptional(text[3+i]); err != nil {
			return "", now, err
		}
	}
	if length > 0 && now.view.Head == nil {
		return "", now, fmt.Errorf("%w: the first request of the FIFO is missing", ErrDamaged)
	}
	return text[0], now, errors.Join(
		isStored("current", now.view.Current, text[6], queue.InFlight, queue.Ending), isStored("first", now.view.Head, text[7], queue.Queued),
		isEnding(now.view.Current, text[8]))
}

// ending is the id of the current request if that is ending without a preblock.
func ending(current *queue.Request) string {
	if current == nil || current.Phase != queue.Ending {
		return ""
	}
	return current.ID
}

// isEnding refuses a rediskeys.EndingRequest that is not the FIFO's: monitor-svc would never record the notice, or record one
// for a request that is served.
func isEnding(current *queue.Request, id string) error {
	if want := ending(current); id != want {
		return fmt.Errorf("%w: request %q is stored as ending, %q is", ErrDamaged, id, want)
	}
	return nil
}

// isStored refuses a request in a place where its phase cannot be: the FIFO would wait for it for ever.
func isStored(which string, r *queue.Request, id string, phases ...queue.Phase) error {
	switch {
	case r == nil && id == "":
		return nil
	case r == nil:
		return fmt.Errorf("%w: the %s request %q is missing", ErrDamaged, which, id)
	case r.ID != id:
		return fmt.Errorf("%w: the %s request %q is stored as %q", ErrDamaged, which, r.ID, id)
	case !slices.Contains(phases, r.Phase):
		return fmt.Errorf("%w: the %s request %q is %s", ErrDamaged, which, id, r.Phase)
	}
	return nil
}
