package redistest

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	miniserver "github.com/alicebob/miniredis/v2/server"
)

type mini struct{ *miniredis.Miniredis }

func newMini(t testing.TB) *mini {
	t.Helper()
	m := &mini{miniredis.NewMiniRedis()}
	if err := m.Start(); err != nil {
		t.Fatalf("start miniredis: %v", err)
	}
	m.answerInfo()
	t.Cleanup(m.Close)
	return m
}

func (m *mini) url() string                 { return "redis://" + m.Addr() }
func (m *mini) fastForward(d time.Duration) { m.FastForward(d) }
func (m *mini) stop(testing.TB)             { m.Close() }

func (m *mini) start(t testing.TB) {
	t.Helper()
	if err := m.Restart(); err != nil {
		t.Fatalf("restart miniredis: %v", err)
	}
	m.answerInfo()
}

// answerInfo answers INFO with nothing, as a server does that shows no settings. The answer of miniredis itself reads what its Close
// writes, without a lock.
func (m *mini) answerInfo() {
	m.Server().SetPreHook(func(c *miniserver.Peer, command string, _ ...string) bool {
		if command == "INFO" {
			c.WriteBulk("")
			return true
		}
		return false
	})
}
