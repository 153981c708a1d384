package images

import (
	"encoding/json"
	"runtime/debug"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Media types of what a registry lists as referrers of an image.
const (
	SBOMType       = "application/vnd.cyclonedx+json"
	ProvenanceType = "application/vnd.in-toto+json"
)

// The form of provenance is SLSA's, version 1, in a statement of in-toto. It is not signed: it says what went into a build, for those who
// repeat it. Who vouches for an image signs its digest.
type (
	statement struct {
		Type          string    `json:"_type"`
		Subject       []subject `json:"subject"`
		PredicateType string    `json:"predicateType"`
		Predicate     predicate `json:"predicate"`
	}
	subject struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest"`
	}
	predicate struct {
		BuildDefinition definition `json:"buildDefinition"`
		RunDetails      details    `json:"runDetails"`
	}
	definition struct {
		BuildType            string            `json:"buildType"`
		ExternalParameters   map[string]string `json:"externalParameters"`
		InternalParameters   map[string]string `json:"internalParameters"`
		ResolvedDependencies []dependency      `json:"resolvedDependencies"`
	}
	dependency struct {
		URI    string            `json:"uri"`
		Name   string            `json:"name,omitempty"`
		Digest map[string]string `json:"digest,omitempty"`
	}
	details struct {
		Builder struct {
			ID string `json:"id"`
		} `json:"builder"`
	}
)

// provenance says of an image which revision, compiler, flags and platform it was made from. The modules are in the SBOM.
func (r Release) provenance(name string, img v1.Image, p Platform, info *debug.BuildInfo) ([]byte, error) {
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	out := statement{
		Type:          "https://in-toto.io/Statement/v1",
		Subject:       []subject{{Name: "blindseq/" + name, Digest: map[string]string{digest.Algorithm: digest.Hex}}},
		PredicateType: "https://slsa.dev/provenance/v1",
	}
	out.Predicate.BuildDefinition = definition{
		BuildType:          "urn:blindseq:make-images:v1",
		ExternalParameters: map[string]string{"program": name, "version": r.Version, "platform": p.OS + "/" + p.Architecture},
		InternalParameters: settings(info),
		ResolvedDependencies: []dependency{
			{URI: "urn:blindseq:source", Name: "blindseq", Digest: map[string]string{"gitCommit": r.Revision}},
			{URI: "pkg:golang/std@" + info.GoVersion, Name: "go"},
		},
	}
	out.Predicate.RunDetails.Builder.ID = "urn:blindseq:make-images"
	return json.MarshalIndent(out, "", "  ")
}

// referrer is an artifact of a registry that says something about an image.
func referrer(of v1.Image, kind string, content []byte) (v1.Image, error) {
	about, err := partial.Descriptor(of)
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.MediaType(kind))
	img, err = mutate.AppendLayers(img, static.NewLayer(content, types.MediaType(kind)))
	if err != nil {
		return nil, err
	}
	return mutate.Subject(img, *about).(v1.Image), nil
}
