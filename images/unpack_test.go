package images

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

func octal(n int64) string { return strconv.FormatInt(n, 8) }
func decimal(n int) string { return strconv.Itoa(n) }

// unpacked is a folder with what an image holds.
func unpacked(t *testing.T, img v1.Image) string {
	t.Helper()
	root := t.TempDir()
	all := mutate.Extract(img)
	defer all.Close()
	for r := tar.NewReader(all); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return root
		}
		if err == nil {
			err = unpack(filepath.Join(root, h.Name), h, r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func unpack(to string, h *tar.Header, content io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return os.MkdirAll(to, 0o755)
	case tar.TypeSymlink:
		return os.Symlink(h.Linkname, to)
	}
	text, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o755)
}

// folders are those with libraries.
func folders(t *testing.T, root string) (out []string) {
	t.Helper()
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if dir := filepath.Dir(path); err == nil && !d.IsDir() && strings.Contains(d.Name(), ".so") && !seen[dir] {
			seen[dir] = true
			out = append(out, dir)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
