package images

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const program = "api-gw"

// built are the folders of a small program, built for both architectures by the script that builds ours, in a folder of its own.
func built(t *testing.T) []Platform {
	t.Helper()
	source := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":             "module blindseq/test\n\ngo 1.26.0\n",
		"cmd/api-gw/main.go": "package main\n\nvar Version string\n\nfunc main() { println(Version) }\n",
		"cmd/other/main.go":  "package main\n\nfunc main() {}\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(source, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(source, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	script, err := filepath.Abs("../scripts/build.sh")
	if err != nil {
		t.Fatal(err)
	}
	var out []Platform
	for _, architecture := range []string{"amd64", "arm64"} {
		dir := filepath.Join(t.TempDir(), "out")
		cmd := exec.CommandContext(t.Context(), script, dir, "-s -w -X main.Version=v1", program)
		cmd.Dir = source
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOOS=linux", "GOARCH="+architecture, "GOFLAGS=-buildvcs=false")
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		out = append(out, Platform{OS: "linux", Architecture: architecture, Dir: dir})
	}
	return out
}

func release() Release {
	return Release{Version: "v1.2.3", Revision: "0123456789abcdef0123456789abcdef01234567", Created: time.Unix(1_800_000_000, 0).UTC()}
}

func packed(t *testing.T, r Release, platforms []Platform) *Image {
	t.Helper()
	img, err := r.Program(program, 1<<30, platforms)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func digest(t *testing.T, of interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	d, err := of.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// TestTheSameSourceGivesTheSameDigest: built twice, in different folders, for both architectures.
func TestTheSameSourceGivesTheSameDigest(t *testing.T) {
	first, second := packed(t, release(), built(t)), packed(t, release(), built(t))
	if a, b := digest(t, first.Index), digest(t, second.Index); a != b {
		t.Errorf("two builds of one source have the digests %s and %s", a, b)
	}
	for i := range first.Parts {
		if !slices.Equal(first.Parts[i].Provenance, second.Parts[i].Provenance) || !slices.Equal(first.Parts[i].SBOM, second.Parts[i].SBOM) {
			t.Errorf("what is said about them differs:\n%s\n%s", first.Parts[i].Provenance, second.Parts[i].Provenance)
		}
	}
	other := release()
	other.Revision = "f" + other.Revision[1:]
	if digest(t, packed(t, other, built(t)).Index) == digest(t, first.Index) {
		t.Error("another revision has the same digest")
	}
}

// TestAnImageIsOneStaticProgramOfNobody: and nothing else.
func TestAnImageIsOneStaticProgramOfNobody(t *testing.T) {
	platforms := built(t)
	for _, p := range packed(t, release(), platforms).Parts {
		of, err := p.Image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if of.Architecture != p.Platform.Architecture || of.OS != "linux" || of.Config.User != "65532:65532" || !of.Created.Equal(release().Created) {
			t.Errorf("its config is %+v", of)
		}
		want := []string{"data 755 65532", "sbom.json 644 0", "usr 755 0", "usr/local 755 0", "usr/local/bin 755 0", "usr/local/bin/blindseq 755 0"}
		if got := listed(t, p.Image); !slices.Equal(got, want) {
			t.Errorf("it holds %q", got)
		}
	}
	if _, err := release().Program(program, 1000, platforms); err == nil || !strings.Contains(err.Error(), "more than 1000") {
		t.Errorf("a program that is too large is packed: %v", err)
	}
	swapped := []Platform{{OS: "linux", Architecture: "arm64", Dir: platforms[0].Dir}}
	if _, err := release().Program(program, 1<<30, swapped); err == nil || !strings.Contains(err.Error(), "EM_X86_64") {
		t.Errorf("a program of another architecture is packed: %v", err)
	}
	dir := t.TempDir()
	shell, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(filepath.Join(dir, program), shell, 0o600); err != nil {
		t.Fatal(err)
	}
	own := []Platform{{OS: "linux", Architecture: architectureOf(t, "/bin/sh"), Dir: dir}}
	if _, err := release().Program(program, 1<<30, own); err == nil || !strings.Contains(err.Error(), "not a static program") {
		t.Errorf("a program with libraries is packed: %v", err)
	}
}

// TestTheDockerfileMakesTheSameImage: the same files, labels, user and program.
func TestTheDockerfileMakesTheSameImage(t *testing.T) {
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, last, _ := strings.Cut(string(text), "FROM scratch\n")
	img := packed(t, release(), built(t)).Parts[0].Image
	of, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	entrypoint, err := json.Marshal(of.Config.Entrypoint)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"\nUSER " + of.Config.User + "\n", "\nENTRYPOINT " + string(entrypoint) + "\n"}
	for label := range of.Config.Labels {
		want = append(want, label+"=")
	}
	for _, name := range []string{"usr/local/bin/blindseq", "sbom.json", "data"} {
		want = append(want, " /"+name+"\n")
	}
	for _, w := range want {
		if !strings.Contains(last, w) {
			t.Errorf("the Dockerfile has no %q", w)
		}
	}
	if copies, labels := strings.Count(last, "\nCOPY "), strings.Count(last, "org.opencontainers"); copies != 3 || labels != len(of.Config.Labels) {
		t.Errorf("the Dockerfile has %d files and %d labels", copies, labels)
	}
}

func architectureOf(t *testing.T, path string) string {
	t.Helper()
	for _, a := range []string{"amd64", "arm64"} {
		if err := checkStatic(path, a); err == nil || strings.Contains(err.Error(), "static") {
			return a
		}
	}
	t.Skip("a machine of another architecture")
	return ""
}

func listed(t *testing.T, img v1.Image) (out []string) {
	t.Helper()
	all := mutate.Extract(img)
	defer all.Close()
	for r := tar.NewReader(all); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%s has the time %s", h.Name, h.ModTime)
		}
		out = append(out, strings.Join([]string{h.Name, octal(h.Mode), decimal(h.Uid)}, " "))
	}
}

// TestARegistryHasAllOfIt: pushed to a registry, pulled again by digest for each platform, with what is said about each.
func TestARegistryHasAllOfIt(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	at := strings.TrimPrefix(server.URL, "http://") + "/team/blindseq"
	img := packed(t, release(), built(t))
	address, err := release().Push(t.Context(), at, img)
	if err != nil {
		t.Fatal(err)
	}
	if want := at + "/api-gw:v1.2.3@" + digest(t, img.Index); address != want {
		t.Errorf("it is at %s, not %s", address, want)
	}
	tag, err := name.NewTag(at + "/api-gw:v1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range img.Parts {
		pulled, err := remote.Image(tag, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: p.Platform.Architecture}))
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(pulled); err != nil {
			t.Error(err)
		}
		if digest(t, pulled) != digest(t, p.Image) {
			t.Errorf("%s: the registry has another image", p.Platform.Architecture)
		}
		if got := said(t, tag, p.Image, SBOMType); !strings.Contains(got, `"bomFormat": "CycloneDX"`) {
			t.Errorf("its SBOM is %q", got)
		}
		checkProvenance(t, said(t, tag, p.Image, ProvenanceType), p)
	}
	dirty := release()
	dirty.Version += "-dirty"
	if _, err := dirty.Push(t.Context(), at, img); err == nil {
		t.Error("a tree with changes is pushed")
	}
}

// said is the content of the only referrer of a kind.
func said(t *testing.T, tag name.Tag, of v1.Image, kind string) string {
	t.Helper()
	all, err := remote.Referrers(tag.Context().Digest(digest(t, of)))
	if err != nil {
		t.Fatal(err)
	}
	list, err := all.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(list.Manifests, func(d v1.Descriptor) bool { return d.ArtifactType == kind })
	if at < 0 || len(list.Manifests) != 2 {
		t.Fatalf("its referrers are %+v", list.Manifests)
	}
	img, err := remote.Image(tag.Context().Digest(list.Manifests[at].Digest.String()))
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	content, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	text, err := io.ReadAll(content)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func checkProvenance(t *testing.T, text string, p Part) {
	t.Helper()
	var got statement
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	build := got.Predicate.BuildDefinition
	if "sha256:"+got.Subject[0].Digest["sha256"] != digest(t, p.Image) || build.ResolvedDependencies[0].Digest["gitCommit"] != release().Revision ||
		build.InternalParameters["GOARCH"] != p.Platform.Architecture || build.InternalParameters["-trimpath"] != "true" {
		t.Errorf("its provenance is %s", text)
	}
}

// TestAnArchiveHasBothTags: what docker load and ctr read.
func TestAnArchiveHasBothTags(t *testing.T) {
	img := packed(t, release(), built(t))
	file := filepath.Join(t.TempDir(), "a.tar")
	if err := release().Archive(file, img, img.Parts[0]); err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"blindseq/api-gw:v1.2.3", "blindseq/api-gw:dev"} {
		ref, err := name.NewTag(tag)
		if err != nil {
			t.Fatal(err)
		}
		there, err := tarball.ImageFromPath(file, &ref)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(there); err != nil {
			t.Error(err)
		}
	}
}

// TestRedisRunsFromItsImage: unpacked, with the loader and the libraries of the image and none of this machine.
func TestRedisRunsFromItsImage(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip(err)
	}
	img, err := release().Redis(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, err := release().Redis(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if digest(t, img.Index) != digest(t, again.Index) {
		t.Error("packed twice, it has two digests")
	}
	root := unpacked(t, img.Parts[0].Image)
	loaders, err := filepath.Glob(filepath.Join(root, "lib*/ld-linux*"))
	if err != nil || len(loaders) != 1 {
		t.Skipf("its loaders are %q (%v)", loaders, err)
	}
	libraries := strings.Join(folders(t, root), ":")
	for program, word := range map[string]string{"redis-server": "Redis server", "redis-sentinel": "Redis server", "redis-cli": "redis-cli", "cp": "coreutils"} {
		said, err := exec.CommandContext(t.Context(), loaders[0], "--inhibit-cache", "--library-path", libraries,
			filepath.Join(root, "usr/local/bin", program), "--version").CombinedOutput()
		if err != nil || !strings.Contains(string(said), word) {
			t.Errorf("%s --version: %v: %s", program, err, said)
		}
	}
}
