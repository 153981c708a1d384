package devnet

import (
	"context"
	"fmt"

	"github.com/alicebob/miniredis/v2"
)

// startRedis starts an embedded Redis. Nothing in it outlives the process, and nothing needs to: Redis coordinates, it
// never decides.
func startRedis() (url string, run func(context.Context) error, err error) {
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return "", nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	m.ClockTTL(true) // keys age by the clock; by default only when told to
	return "redis://" + m.Addr(), func(ctx context.Context) error {
		<-ctx.Done()
		m.Close()
		return nil
	}, nil
}
