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

// LogTo sends the Redis library's own messages (failed connections and the like) to a log, at debug level: the caller of a
// failed command reports the failure itself. A refused subscription has no such caller, so it is a warning. The setting is
// for the whole process.
func LogTo(log *slog.Logger) {
	library.Store(log)
	redis.SetLogger(libraryLog{log})
}

type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Printf(ctx context.Context, format string, v ...any) {
	l.log.DebugContext(ctx, fmt.Sprintf(format, v...), "library", "go-redis")
}
