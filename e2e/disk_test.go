package e2e

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"blindseq/e2e/cluster"

	"golang.org/x/sys/unix"
)

// diskLog is a log of records that a program keeps.
type diskLog struct {
	process string
	dir     string // in its data directory
}

func diskLogs() []diskLog {
	return []diskLog{{cluster.Producer, "log"}, {cluster.DSN, "proposals"}, {cluster.DSN, "decisions"}, {cluster.Keyholder(1), "attested"}}
}

// newest is the file of a log that is written to.
func (l diskLog) newest(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(c.DataDir(l.process), l.dir, "*.wal"))
	must(t, err)
	if len(files) == 0 {
		t.Fatalf("%s has no log in %s", l.process, l.dir)
	}
	return files[len(files)-1]
}

// TestAFullDiskStopsAProgramAndLosesNothing fills the disk under a program's data while it works. The program must end
// with an error that says so, acknowledge nothing that it could not store, and continue where it was once there is room.
func TestAFullDiskStopsAProgramAndLosesNothing(t *testing.T) {
	t.Parallel()
	for _, process := range []string{cluster.Producer, cluster.DSN, cluster.Keyholder(1)} {
		t.Run(process, func(t *testing.T) {
			t.Parallel()
			if os.Getuid() != 0 {
				t.Skip("mounting a tmpfs needs root; TestALimitOfFileSizes is for everyone")
			}
			mount(t, filepath.Join(t.ArtifactDir(), process, "data"))
			k := newKiller(t, programs, withKeyholders())
			filler := filepath.Join(k.c.DataDir(process), "filler")
			fillDisk(t, filler)
			k.endsFor(t, process, "no space left on device")
			must(t, os.Remove(filler))
			k.goesOn(t, process)
		})
	}
}

// TestALimitOfFileSizesStopsAProgramAndLosesNothing is the same for a disk that fails in the middle of a record, and for the
// bundler, whose database takes much of a disk in advance.
func TestALimitOfFileSizesStopsAProgramAndLosesNothing(t *testing.T) {
	t.Parallel()
	for _, l := range diskLogs() {
		t.Run(l.process+" "+l.dir, func(t *testing.T) {
			t.Parallel()
			limitFiles(t, l.process, func(c *cluster.Cluster) int64 {
				info, err := os.Stat(l.newest(t, c))
				must(t, err)
				return info.Size() + 700
			})
		})
	}
	t.Run(cluster.Bundler, func(t *testing.T) {
		t.Parallel()
		limitFiles(t, cluster.Bundler, func(*cluster.Cluster) int64 { return 16 << 10 })
	})
}

func limitFiles(t *testing.T, process string, limit func(*cluster.Cluster) int64) {
	o := withKeyholders()
	// The limit is for the program's output too, which therefore is to be the smaller file.
	o.Args = map[string][]string{process: {"--log-level", "error"}}
	k := newKiller(t, programs, o)
	k.advance(t, 30)
	r := unix.Rlimit{Cur: uint64(limit(k.c)), Max: unix.RLIM_INFINITY}
	must(t, unix.Prlimit(k.c.Process(process).PID(), unix.RLIMIT_FSIZE, &r, nil))
	k.endsFor(t, process, "file too large")
	k.goesOn(t, process)
}

const tmpfsSize = "size=160m" // enough for an empty chain

// mount puts a small file system over a directory, until the test ends.
func mount(t *testing.T, dir string) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o700))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, tmpfsSize); err != nil {
		t.Skipf("mount a tmpfs: %v (root in a container without the capability)", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
}

// fill writes a file until nothing more fits.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			size /= 2
		}
	}
}

// endsFor waits until a program has exited on its own, and checks that its output says why.
func (k *killer) endsFor(t *testing.T, process, why string) {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	p := k.c.Process(process)
	err := p.Await(ctx)
	if ctx.Err() != nil {
		t.Fatalf("%s still runs; /readyz: %s", process, readiness(ctx, k.c.Ops(process)))
	}
	if err == nil {
		t.Errorf("%s ended as if nothing was wrong", process)
	}
	output := string(p.Tail(4096))
	if !strings.Contains(output, why) {
		t.Errorf("%s does not say why it ended (%q):\n%s", process, why, output)
	}
	t.Logf("%s: %v, last line: %s", process, err, lastLine(output))
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func readiness(ctx context.Context, ops string) string {
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, "http://"+ops+"/readyz", nil)
	if err != nil {
		return err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	return string(body)
}

// goesOn starts a program again and checks that blocks are made and nothing acknowledged was lost.
func (k *killer) goesOn(t *testing.T, process string) {
	t.Helper()
	k.look(t)
	must(t, k.c.Process(process).Start())
	k.advance(t, k.head+1)
	k.end(t)
}

// TestDamageInTheMiddleOfALogIsRefused changes one byte in the middle of each log: the program must not start, and must
// say in which file and where. With the byte as it was, it goes on.
func TestDamageInTheMiddleOfALogIsRefused(t *testing.T) {
	t.Parallel()
	k := newKiller(t, programs, withKeyholders())
	for _, l := range diskLogs() {
		t.Run(l.process+" "+l.dir, func(t *testing.T) {
			k.advance(t, k.head+30) // so that no single record is half of the log
			p := k.c.Process(l.process)
			must(t, p.Kill())
			file := l.newest(t, k.c)
			flip(t, file)
			must(t, p.Start())
			k.endsFor(t, l.process, file)
			if out := string(p.Tail(2048)); !strings.Contains(out, "offset") {
				t.Errorf("the place of the damage is not named:\n%s", out)
			}
			flip(t, file)
			k.look(t)
			must(t, p.Start())
			k.advance(t, k.head+1)
		})
	}
	k.end(t)
}

// flip changes a byte in the middle of a file; a second time it changes it back.
func flip(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	info, err := f.Stat()
	must(t, err)
	b := make([]byte, 1)
	_, err = f.ReadAt(b, info.Size()/2)
	must(t, err)
	b[0] ^= 0xff
	_, err = f.WriteAt(b, info.Size()/2)
	must(t, err)
}

// TestATornTailIsCutOff leaves a part of a record after the last one, as an interrupted write does.
func TestATornTailIsCutOff(t *testing.T) {
	t.Parallel()
	k := newKiller(t, programs, withKeyholders())
	for _, l := range diskLogs() {
		t.Run(l.process+" "+l.dir, func(t *testing.T) {
			p := k.c.Process(l.process)
			must(t, p.Kill())
			file := l.newest(t, k.c)
			f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
			must(t, err)
			_, err = f.Write([]byte("a write that was not finished"))
			must(t, errors.Join(err, f.Close()))
			k.look(t)
			must(t, p.Start())
			k.advance(t, k.head+1)
			ctx, cancel := bounded(t)
			defer cancel()
			must(t, p.AwaitReady(ctx))
			if out := string(p.Tail(1 << 20)); !strings.Contains(out, "cut off") {
				t.Error("the program does not say that it cut something off")
			}
		})
	}
	k.end(t)
}
