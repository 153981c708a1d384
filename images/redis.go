package images

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// libraries are the paths in what ldd prints.
var libraries = regexp.MustCompile(`/[^ ]+`)

// Redis packs this machine's redis-server with its libraries, for development clusters. It is for the platform of this machine only.
func (r Release) Redis(ctx context.Context) (*Image, error) {
	entries := map[string]entry{}
	for _, program := range []string{"redis-server", "redis-cli", "cp"} { // cp for the component redis-sentinel
		if err := takeProgram(ctx, entries, program); err != nil {
			return nil, fmt.Errorf("pack redis: %w", err)
		}
	}
	const sentinel = "usr/local/bin/redis-sentinel" // one program; its name says what it does
	entries[sentinel] = entry{name: sentinel, mode: 0o777, link: "redis-server"}
	var all []entry
	var size int64
	for _, e := range entries {
		all, size = append(all, e), size+int64(len(e.content))
	}
	p := Platform{OS: "linux", Architecture: runtime.GOARCH}
	img, err := r.packed("redis", p, all, v1.Config{Env: []string{"PATH=/usr/local/bin"}, Cmd: []string{"redis-server"}})
	if err != nil {
		return nil, fmt.Errorf("pack redis: %w", err)
	}
	return r.image("redis", []Part{{Platform: p, Image: img, Size: size}})
}

// takeProgram adds a program, and every library and the loader at the path at which the program looks for it.
func takeProgram(ctx context.Context, entries map[string]entry, program string) error {
	path, err := exec.LookPath(program)
	if err != nil {
		return fmt.Errorf("%s is missing (Debian: redis-server, redis-tools)", program)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return err
	}
	used, err := exec.CommandContext(ctx, "ldd", path).CombinedOutput()
	if err != nil && !strings.Contains(string(used), "not a dynamic executable") {
		return fmt.Errorf("ask ldd for the libraries of %s: %w: %s", path, err, used)
	}
	from := map[string]string{"usr/local/bin/" + program: path}
	if err == nil {
		for _, library := range libraries.FindAllString(string(used), -1) {
			from[strings.TrimPrefix(library, "/")] = library
		}
	}
	for name, path := range from {
		e, err := fileOf(name, 0o755, path)
		if err != nil {
			return err
		}
		entries[name] = e
	}
	return nil
}
