// Package clock is the time that timestamps of blocks are taken from and judged by. It is the machine's, except on a development
// chain, whose developer may move it: then all parts of the system have the same Clock, so that who judges a timestamp moves with who
// proposes it.
//
// It guarantees: what it was moved by is on disk before it is in effect, so that no restart has it behind a block.
package clock

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// ErrMove is returned for a move that the clock does not make.
var ErrMove = errors.New("the clock cannot be moved there")

// farthest is how far the clock may be from the machine's.
const farthest = 200 * 365 * 24 * time.Hour

// Clock is a clock that can be moved. A nil Clock is the machine's. Its methods may be called from any goroutine.
type Clock struct {
	path string

	mu    sync.Mutex
	ahead time.Duration // of the machine's
	most  time.Duration // that it has been ahead; never less
	still time.Time     // where it stands until a block has this time; zero while it runs
}

// saved is the content of the file.
type saved struct {
	Ahead int64 `json:"aheadNanoseconds"`
	Most  int64 `json:"mostNanoseconds"`
}

// Open returns the clock whose moves are kept in a file, which need not exist.
func Open(path string) (*Clock, error) {
	c := &Clock{path: path}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	var s saved
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil {
		return nil, fmt.Errorf("open the clock %s: %w", path, err)
	}
	c.ahead, c.most = time.Duration(s.Ahead), time.Duration(s.Most)
	return c, nil
}

// Now is the time.
func (c *Clock) Now() time.Time {
	if c == nil {
		return machine()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	if !c.still.IsZero() {
		return c.still
	}
	return time.Now().Add(c.ahead)
}

// machine is the time of the machine's clock, which a test can set forward for those who propose timestamps.
func machine() time.Time {
	now := time.Now()
	// gofail: var clockAhead int
	// now = now.Add(time.Duration(clockAhead) * time.Second)
	return now
}

// Bound is the time by which timestamps are judged. It never goes back, also not where StandAt moves the clock back: else what was
// proposed just before would be refused for good.
func (c *Clock) Bound() time.Time {
	if c == nil {
		return time.Now()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.most)
}

// Ahead is how far the clock is ahead of the machine's.
func (c *Clock) Ahead() time.Duration {
	if c == nil {
		return 0
	}
	return time.Until(c.Now()).Round(time.Second)
}

// Forward moves the clock on.
func (c *Clock) Forward(d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d < 0 {
		return fmt.Errorf("%w: back by %s", ErrMove, -d)
	}
	if d > farthest {
		return fmt.Errorf("%w: %s is too far", ErrMove, d)
	}
	if !c.still.IsZero() {
		return c.standAt(c.still.Add(d))
	}
	return c.run(c.ahead + d)
}

// StandAt moves the clock to a time, where it stands until a block has this time. Then it runs on from there.
func (c *Clock) StandAt(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.standAt(t)
}

func (c *Clock) standAt(t time.Time) error {
	if err := c.run(time.Until(t)); err != nil {
		return err
	}
	c.still = t
	return nil
}

// run lets the clock run so far ahead.
func (c *Clock) run(ahead time.Duration) error {
	if ahead > farthest || ahead < -farthest {
		return fmt.Errorf("%w: %s is too far from now", ErrMove, ahead)
	}
	most := max(c.most, ahead)
	if err := c.save(ahead, most); err != nil {
		return fmt.Errorf("move the clock: %w", err)
	}
	c.ahead, c.most, c.still = ahead, most, time.Time{}
	return nil
}

// Passed notes the time of a block, in seconds since 1970: the clock is not behind it, and no longer stands there.
func (c *Clock) Passed(seconds int64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	block := time.Unix(seconds, 0)
	if c.now().Before(block) || !c.still.IsZero() && !c.still.After(block) {
		c.ahead, c.still = time.Until(block), time.Time{}
		c.most = max(c.most, c.ahead)
	}
}

// save makes the move durable: a new file takes the place of the old one.
func (c *Clock) save(ahead, most time.Duration) error {
	raw, err := json.Marshal(saved{int64(ahead), int64(most)})
	if err != nil {
		return err
	}
	next := c.path + ".new"
	if err := writeSynced(next, raw); err != nil {
		return err
	}
	if err := os.Rename(next, c.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(c.path))
}

func writeSynced(path string, raw []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer file.Close() // it is synced before
	if _, err := file.Write(raw); err != nil {
		return err
	}
	return file.Sync()
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
