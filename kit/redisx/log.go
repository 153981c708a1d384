package redisx

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// library is the log given to LogTo.
var library atomic.Pointer[slog.Logger]

func init() { library.Store(slog.New(slog.DiscardHandler)) }

// LogTo sends what the Redis library says by itself (connections it could not make, and so on) to a log, as debug lines:
// whoever made the call that failed tells of it. A subscription that Redis refuses nobody else tells of; it is a warning.
// It is for the whole process.
func LogTo(log *slog.Logger) {
	library.Store(log)
	redis.SetLogger(libraryLog{log})
}

type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Printf(ctx context.Context, format string, v ...any) {
	l.log.DebugContext(ctx, fmt.Sprintf(format, v...), "library", "go-redis")
}
