package chain

import (
	"context"
	"log/slog"
	"sync"

	gethlog "github.com/ethereum/go-ethereum/log"
)

var logOnce sync.Once

// LogTo sends go-ethereum's own log to log: its errors as errors. The last one says why it ends the
// process when it does, and the rest as debug lines. It is for the whole process: call it before Open; the first call
// counts. Without, go-ethereum says nothing.
func LogTo(log *slog.Logger) {
	logOnce.Do(func() {
		gethlog.SetDefault(gethlog.NewLogger(libraryLog{log.With("library", "go-ethereum").Handler()}))
	})
}

// libraryLog is a handler of go-ethereum's levels; one is above slog's.
type libraryLog struct{ slog.Handler }

func ownLevel(of slog.Level) slog.Level {
	if of >= slog.LevelError {
		return slog.LevelError
	}
	return slog.LevelDebug
}

// Enabled implements slog.Handler.
func (l libraryLog) Enabled(ctx context.Context, level slog.Level) bool {
	return l.Handler.Enabled(ctx, ownLevel(level))
}

// Handle implements slog.Handler.
func (l libraryLog) Handle(ctx context.Context, r slog.Record) error {
	r.Level = ownLevel(r.Level)
	return l.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l libraryLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return libraryLog{l.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (l libraryLog) WithGroup(name string) slog.Handler { return libraryLog{l.Handler.WithGroup(name)} }
