package images

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Push writes an image to <registry>/<its name>:<version>, and what is said about each of its parts as referrers. It returns the address
// with the digest. Who asks is what `docker login` wrote down. A version of a tree with changes is refused: no revision is what it is.
func (r Release) Push(ctx context.Context, registry string, i *Image) (string, error) {
	if strings.HasSuffix(r.Version, "-dirty") {
		return "", fmt.Errorf("push %s: %s is a tree with changes; commit them first", i.Name, r.Version)
	}
	to, err := name.NewTag(registry + "/" + i.Name + ":" + r.Version)
	if err != nil {
		return "", fmt.Errorf("push %s: %w", i.Name, err)
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	// What is said about an image comes first: whoever sees the tag finds all of it.
	for _, p := range i.Parts {
		if err := pushPart(to, p, options); err != nil {
			return "", fmt.Errorf("push %s for %s/%s: %w", i.Name, p.Platform.OS, p.Platform.Architecture, err)
		}
	}
	if err := remote.WriteIndex(to, i.Index, options...); err != nil {
		return "", fmt.Errorf("push %s: %w", i.Name, err)
	}
	digest, err := i.Index.Digest()
	if err != nil {
		return "", err
	}
	return to.String() + "@" + digest.String(), nil
}

func pushPart(to name.Tag, p Part, options []remote.Option) error {
	if err := pushByDigest(to, p.Image, options); err != nil {
		return err
	}
	for kind, content := range map[string][]byte{SBOMType: p.SBOM, ProvenanceType: p.Provenance} {
		if content == nil {
			continue
		}
		said, err := referrer(p.Image, kind, content)
		if err != nil {
			return err
		}
		if err := pushByDigest(to, said, options); err != nil {
			return err
		}
	}
	return nil
}

func pushByDigest(to name.Tag, img v1.Image, options []remote.Option) error {
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	return remote.Write(to.Context().Digest(digest.String()), img, options...)
}

// Archive writes a part to a file that `docker load` and `ctr images import` read, with the tags <version> and dev.
func (r Release) Archive(file string, i *Image, p Part) error {
	tags := map[name.Tag]v1.Image{}
	for _, tag := range []string{r.Version, "dev"} {
		t, err := name.NewTag("blindseq/" + i.Name + ":" + tag)
		if err != nil {
			return fmt.Errorf("write the archive of %s: %w", i.Name, err)
		}
		tags[t] = p.Image
	}
	if err := tarball.MultiWriteToFile(file, tags); err != nil {
		return fmt.Errorf("write the archive of %s: %w", i.Name, err)
	}
	return nil
}
