package redistest

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// ErrReplyLost is what a command ends with that ran and whose reply was lost.
var ErrReplyLost = errors.New("reply lost")

// LoseReplies has a client lose the reply to every n-th command, from now on.
func LoseReplies(client redis.UniversalClient, n int64) { client.AddHook(&lossy{every: n}) }

type lossy struct {
	every int64
	calls atomic.Int64
}

func (l *lossy) DialHook(next redis.DialHook) redis.DialHook { return next }

func (l *lossy) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (l *lossy) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if err == nil && l.calls.Add(1)%l.every == 0 {
			err = ErrReplyLost
			cmd.SetErr(err)
		}
		return err
	}
}
