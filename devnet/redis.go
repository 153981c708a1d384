package devnet

import (
	"fmt"

	"github.com/alicebob/miniredis/v2"
)

// embeddedRedis is a Redis in this process. Nothing in it outlives the process, and nothing needs to: Redis coordinates,
// it never decides.
type embeddedRedis struct{ *miniredis.Miniredis }

func startRedis() (embeddedRedis, error) {
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return embeddedRedis{}, fmt.Errorf("start the embedded Redis: %w", err)
	}
	m.ClockTTL(true) // keys expire by the clock; miniredis leaves that to its user by default
	return embeddedRedis{m}, nil
}

func (r embeddedRedis) url() string { return "redis://" + r.Addr() }

func (r embeddedRedis) Close() error {
	r.Miniredis.Close()
	return nil
}
