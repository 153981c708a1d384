package images

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"blindseq/kit/sbom"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Release is what all images of one run have in common.
type Release struct {
	Version, Revision string
	Created           time.Time // of the revision, not of the build
}

// Platform is where an image runs, and where the programs built for it are.
type Platform struct {
	OS, Architecture string
	Dir              string
}

// Image is a program for every platform that it was built for, under one digest.
type Image struct {
	Name  string
	Index v1.ImageIndex
	Parts []Part
}

// Part is an image for one platform, with what is said about it.
type Part struct {
	Platform         Platform
	Image            v1.Image
	Size             int64 // of its files
	SBOM, Provenance []byte
}

// Program packs one program for every platform. limit is in bytes: a program that grows past it has taken in something large.
func (r Release) Program(name string, limit int64, platforms []Platform) (*Image, error) {
	var parts []Part
	for _, p := range platforms {
		part, err := r.program(name, limit, p)
		if err != nil {
			return nil, fmt.Errorf("pack %s for %s/%s: %w", name, p.OS, p.Architecture, err)
		}
		parts = append(parts, *part)
	}
	return r.image(name, parts)
}

func (r Release) program(name string, limit int64, p Platform) (*Part, error) {
	from := filepath.Join(p.Dir, name)
	if err := checkStatic(from, p.Architecture); err != nil {
		return nil, err
	}
	info, err := buildinfo.ReadFile(from)
	if err != nil {
		return nil, err
	}
	program, err := fileOf("usr/local/bin/blindseq", 0o755, from)
	if err != nil {
		return nil, err
	}
	var bill bytes.Buffer
	if err := sbom.WriteOf(&bill, sbom.Program{Name: name, Version: r.Version, Revision: r.Revision}, info); err != nil {
		return nil, err
	}
	entries := []entry{
		program,
		file("sbom.json", 0o644, bill.Bytes()),
		{name: "data/", mode: 0o755, owner: nobody}, // a new volume mounted here gets the owner of this folder
	}
	size := int64(len(program.content) + bill.Len())
	if size > limit {
		return nil, fmt.Errorf("it has %d bytes, more than %d", size, limit)
	}
	img, err := r.packed(name, p, entries, v1.Config{Entrypoint: []string{"/usr/local/bin/blindseq"}})
	if err != nil {
		return nil, err
	}
	made, err := r.provenance(name, img, p, info)
	if err != nil {
		return nil, err
	}
	return &Part{Platform: p, Image: img, Size: size, SBOM: bill.Bytes(), Provenance: made}, nil
}

// checkStatic: an image has no libraries and no loader.
func checkStatic(path, architecture string) error {
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	if machines[architecture] != f.Machine {
		return fmt.Errorf("%s is a program for %s", path, f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s is not a static program", path)
		}
	}
	return nil
}

// packed is an image of one layer.
func (r Release) packed(name string, p Platform, entries []entry, config v1.Config) (v1.Image, error) {
	layer, err := layerOf(entries)
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: "make images", Created: v1.Time{Time: r.Created}}})
	if err != nil {
		return nil, err
	}
	config.User = fmt.Sprintf("%d:%d", nobody, nobody)
	config.Labels = r.labels(name)
	old, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	of := old.DeepCopy()
	of.OS, of.Architecture, of.Created, of.Config = p.OS, p.Architecture, v1.Time{Time: r.Created}, config
	return mutate.ConfigFile(img, of)
}

func (r Release) labels(name string) map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":    name,
		"org.opencontainers.image.version":  r.Version,
		"org.opencontainers.image.revision": r.Revision,
		"org.opencontainers.image.licenses": "Apache-2.0",
	}
}

// image puts the parts of one program under one digest.
func (r Release) image(name string, parts []Part) (*Image, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range parts {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        p.Image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.Platform.OS, Architecture: p.Platform.Architecture}},
		})
	}
	annotated, ok := mutate.Annotations(index, r.labels(name)).(v1.ImageIndex)
	if !ok {
		return nil, fmt.Errorf("pack %s: an index with annotations is none", name)
	}
	return &Image{Name: name, Index: annotated, Parts: parts}, nil
}

// settings are those of the build that decide what the compiler makes.
func settings(info *debug.BuildInfo) map[string]string {
	out := map[string]string{}
	for _, s := range info.Settings {
		if s.Value != "" && !strings.HasPrefix(s.Key, "vcs") {
			out[s.Key] = s.Value
		}
	}
	return out
}
