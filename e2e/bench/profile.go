package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"blindseq/e2e/cluster"
)

// profileSeconds is how long the profiles run: about as long as the load.
const profileSeconds = 5

func cores(took time.Duration) time.Duration {
	return (took * time.Duration(runtime.NumCPU())).Round(time.Millisecond)
}

// profiles are CPU profiles being taken, one of each service.
type profiles struct {
	taking sync.WaitGroup
	files  []string
	errs   []error
}

// startProfiles begins a CPU profile of every service, if asked for.
func (b *run) startProfiles(ctx context.Context) *profiles {
	p := &profiles{}
	if !b.Profile {
		return p
	}
	names := slices.DeleteFunc(b.c.Processes(), func(name string) bool { return name == cluster.Redis })
	p.files, p.errs = make([]string, len(names)), make([]error, len(names))
	for i, name := range names {
		p.files[i] = filepath.Join(b.Dir, name+".prof")
		url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", b.c.Ops(name), profileSeconds)
		p.taking.Go(func() { p.errs[i] = fetch(ctx, url, p.files[i]) })
	}
	return p
}

func fetch(ctx context.Context, url, file string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("take a profile: %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("take a profile: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("take a profile: status %d: %.200s", resp.StatusCode, raw)
	}
	return os.WriteFile(file, raw, 0o600)
}

// areas are what a person wants to know the share of; each is one function with all it calls, so shares may overlap.
var areas = []struct{ what, function string }{
	{"recovering signers", "github.com/ethereum/go-ethereum/crypto.Ecrecover"},
	{"checking sealed transactions", "blindseq/seal.(*Ring).CheckBatch"},
	{"making shares", "blindseq/seal.Secret.Share"},
	{"opening", "blindseq/seal.(*Keys).OpenBatch"},
	{"verifying openings", "blindseq/seal.(*Ring).VerifyOpening"},
	{"applying blocks", "blindseq/producer-svc/internal/chain.(*Chain).Apply"},
	{"of that, committing", "blindseq/producer-svc/internal/chain.(*Chain).commit"},
	{"adding to the pool", "github.com/ethereum/go-ethereum/core/txpool.(*TxPool).Add"},
	{"resetting the pool", "github.com/ethereum/go-ethereum/core/txpool/legacypool.(*LegacyPool).runReorg"},
	{"garbage collection", "runtime.gcBgMarkWorker"},
	{"serving HTTP", "net/http.(*conn).serve"},
	{"serving gRPC", "google.golang.org/grpc.(*Server).handleStream"},
	{"JSON", "encoding/json.Unmarshal"},
}

// report waits for the profiles and writes, for each service, the three functions that cost most by themselves, and
// the shares of the areas.
func (p *profiles) report(ctx context.Context, out io.Writer) error {
	if len(p.files) == 0 {
		return nil
	}
	p.taking.Wait()
	fmt.Fprintln(out, "\nWhere the processor time goes: the three functions that cost most by themselves, and shares with all they call:")
	for i, file := range p.files {
		if p.errs[i] != nil {
			return p.errs[i]
		}
		functions, err := costs(ctx, file)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  %s\n", strings.TrimSuffix(filepath.Base(file), ".prof"))
		for _, f := range functions[:min(3, len(functions))] {
			fmt.Fprintf(out, "    %6s  %s\n", f.self, f.name)
		}
		for _, area := range areas {
			at := slices.IndexFunc(functions, func(f cost) bool { return f.name == area.function })
			if at >= 0 {
				fmt.Fprintf(out, "    %6s  (%s)\n", functions[at].all, area.what)
			}
		}
	}
	return nil
}

// cost is a function's share of the processor time, without and with the functions it calls.
type cost struct{ self, all, name string }

// costs reads a profile, sorted by the cost without callees, highest first.
func costs(ctx context.Context, file string) ([]cost, error) {
	top, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=5000", "-nodefraction=0", file).Output()
	if err != nil {
		return nil, fmt.Errorf("read profile %s: %w", file, err)
	}
	var all []cost
	for line := range strings.Lines(string(top)) {
		if f := strings.Fields(line); len(f) >= 6 && strings.HasSuffix(f[1], "%") {
			all = append(all, cost{self: f[1], all: f[4], name: strings.TrimSuffix(strings.Join(f[5:], " "), " (inline)")})
		}
	}
	return all, nil
}
