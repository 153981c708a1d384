package devnet

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// ageTick is how often the embedded Redis ages its keys: its clock moves only when told to.
const ageTick = 250 * time.Millisecond

// startRedis starts an embedded Redis. Nothing in it outlives the process, and nothing needs to: Redis coordinates, it
// never decides.
func startRedis() (url string, run func(context.Context) error, err error) {
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return "", nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	return "redis://" + m.Addr(), func(ctx context.Context) error {
		defer m.Close()
		ticker := time.NewTicker(ageTick)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
				m.FastForward(ageTick)
			}
		}
	}, nil
}
