// Package images packs static programs into container images and pushes them to a registry. It needs neither Docker nor the network
// to make them. The same programs, version and revision give the same digests: nothing in an image tells when or where it was made.
package images

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// nobody is the user of every image.
const nobody = 65532

// entry is a file, folder or link in an image. Its times and, but for folders of nobody, its owner are zero.
type entry struct {
	name    string
	mode    int64
	content []byte
	link    string // of a symbolic link
	owner   int
}

func file(name string, mode int64, content []byte) entry {
	return entry{name: name, mode: mode, content: content}
}

// layerOf is a layer with the entries and the folders above them, in the order of their names.
func layerOf(entries []entry) (v1.Layer, error) {
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	for _, e := range withFolders(entries) {
		if err := w.WriteHeader(e.header()); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}

func (e entry) header() *tar.Header {
	h := &tar.Header{Name: e.name, Mode: e.mode, Uid: e.owner, Gid: e.owner, Size: int64(len(e.content)), Typeflag: tar.TypeReg, Format: tar.FormatPAX}
	switch {
	case e.link != "":
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
	case e.isFolder():
		h.Typeflag = tar.TypeDir
	}
	return h
}

func (e entry) isFolder() bool { return e.name[len(e.name)-1] == '/' }

func withFolders(entries []entry) []entry {
	all := map[string]entry{}
	for _, e := range entries {
		all[e.name] = e
	}
	for _, e := range entries {
		for dir := path.Dir(path.Clean(e.name)); dir != "."; dir = path.Dir(dir) {
			if _, there := all[dir+"/"]; !there {
				all[dir+"/"] = entry{name: dir + "/", mode: 0o755}
			}
		}
	}
	out := make([]entry, 0, len(all))
	for _, e := range all {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b entry) int { return bytes.Compare([]byte(a.name), []byte(b.name)) })
	return out
}

// fileOf is a file of this machine in an image.
func fileOf(name string, mode int64, from string) (entry, error) {
	content, err := os.ReadFile(from)
	return file(name, mode, content), err
}
