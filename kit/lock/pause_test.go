package lock

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"blindseq/kit/redistest"
	"blindseq/kit/redisx"
)

// holdEnv makes this program the holder of a lock in the Redis it names, and nothing else.
const holdEnv = "BLINDSEQ_TEST_HOLD_LOCK_IN"

const pausedTTL = 600 * time.Millisecond

// hold takes the lock, and from then on asks for a write every few milliseconds, whatever became of the lock: as code
// would that does not look. Each line is its token, its name, and whether it still believes that it holds the lock.
func hold(url string) int {
	client, err := redisx.Open(redisx.Config{URL: url, Deployment: "chain-1337"})
	if err != nil {
		return 1
	}
	defer client.Close()
	h, err := New(client, Options{Name: "test", TTL: pausedTTL, Holder: "paused"}).Acquire(context.Background(), Request{})
	if err != nil {
		return 1
	}
	for range time.Tick(5 * time.Millisecond) {
		if _, err := fmt.Println(h.Token(), h.Holder(), h.Check() == nil); err != nil {
			return 0 // nobody listens any more
		}
	}
	return 0
}

// TestAWriteAfterAPauseLongerThanTheLeaseIsRefused stops a real process that holds the lock for longer than its lease.
// Awake again it writes at once; another had the lock meanwhile, and the fence refuses it. It knows, too.
func TestAWriteAfterAPauseLongerThanTheLeaseIsRefused(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		var f fenced
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), holdEnv+"="+r.URL)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		lines := bufio.NewScanner(out)
		next := func() (w writeOp, believes bool) {
			t.Helper()
			if !lines.Scan() {
				t.Fatalf("the holder ended: %v", lines.Err())
			}
			if _, err := fmt.Sscan(lines.Text(), &w.token, &w.holder, &believes); err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
			return w, believes
		}
		w, believes := next()
		if !believes || !f.admits(w) {
			t.Fatalf("the holder's write %+v is refused before its pause", w)
		}
		f.token, f.holder = w.token, w.holder

		if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		h := acquireAsTimePasses(t, lockerForT(t, r, pausedTTL), r, Request{Floor: f.token})
		f.token, f.holder = h.Token(), h.Holder()
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		admitted, last := 0, true
		for ended := time.Now().Add(pausedTTL / 2); time.Now().Before(ended) || last; {
			if w, last = next(); f.admits(w) {
				admitted++ // also what it had written into the pipe before: it comes after the other's
			}
		}
		if admitted > 0 {
			t.Errorf("%d writes of the paused holder were admitted", admitted)
		}
		release(t, h)
	})
}
