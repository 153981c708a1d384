// Command blindseq-images packs static programs into images, for `make images` and `make images-push`.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"blindseq/images"

	"github.com/alecthomas/kong"
)

const mebibyte = 1 << 20

// limits are in MiB, by the program. producer-svc has go-ethereum's node in it; dsn-node is sequencer, keyholder and bundler in one.
var limits = []struct {
	name  string
	limit int64
}{{"producer-svc", 60}, {"proposer-svc", 30}, {"monitor-svc", 30}, {"api-gw", 30}, {"dsn-node", 32}}

type flags struct {
	Version  string            `help:"Tag of the images." required:""`
	Revision string            `help:"Commit of the source." required:""`
	Created  int64             `help:"Time of the commit, in seconds since 1970." required:""`
	Programs map[string]string `help:"Folder with the programs for an architecture, for example amd64=bin/images/linux-amd64." required:""`
	Archives string            `help:"Folder for archives of the images for this machine's architecture, for docker load and ctr images import."`
	Push     string            `help:"Registry and path to push to, for example registry.internal/blindseq."`
	Redis    bool              `help:"Also pack this machine's redis-server as the image redis, for development clusters."`
}

func main() {
	var f flags
	kong.Parse(&f, kong.Name("blindseq-images"), kong.Description("Pack static programs into images. The same programs give the same digests."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := f.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func (f flags) run(ctx context.Context) error {
	release := images.Release{Version: f.Version, Revision: f.Revision, Created: time.Unix(f.Created, 0).UTC()}
	for _, program := range limits {
		img, err := release.Program(program.name, program.limit*mebibyte, f.platforms())
		if err != nil {
			return err
		}
		if err := f.put(ctx, release, img); err != nil {
			return err
		}
	}
	if !f.Redis {
		return nil
	}
	img, err := release.Redis(ctx)
	if err != nil {
		return err
	}
	return f.put(ctx, release, img)
}

// platforms are in a fixed order: the digest depends on it.
func (f flags) platforms() (out []images.Platform) {
	for _, architecture := range []string{"amd64", "arm64"} {
		if dir := f.Programs[architecture]; dir != "" {
			out = append(out, images.Platform{OS: "linux", Architecture: architecture, Dir: dir})
		}
	}
	return out
}

// put writes an image to where it is wanted and prints its address, sizes and digest.
func (f flags) put(ctx context.Context, release images.Release, img *images.Image) error {
	digest, err := img.Index.Digest()
	if err != nil {
		return err
	}
	address := "blindseq/" + img.Name + ":" + f.Version + "@" + digest.String()
	if f.Push != "" {
		if address, err = release.Push(ctx, f.Push, img); err != nil {
			return err
		}
	}
	fmt.Println(address)
	for _, p := range img.Parts {
		fmt.Printf("  %s/%s %.1f MiB\n", p.Platform.OS, p.Platform.Architecture, float64(p.Size)/mebibyte)
		if f.Archives != "" && p.Platform.Architecture == runtime.GOARCH {
			if err := release.Archive(filepath.Join(f.Archives, img.Name+".tar"), img, p); err != nil {
				return err
			}
		}
	}
	return nil
}
