package sbom

import (
	"runtime/debug"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func TestTheBillNamesWhatWasLinked(t *testing.T) {
	bom := describe(Program{Name: "api-gw", Version: "v1.2.3", Revision: "abc"}, &debug.BuildInfo{
		GoVersion: "go1.26.0", Path: "blindseq/api-gw/cmd/api-gw",
		Deps: []*debug.Module{
			{Path: "example.org/plain", Version: "v1.0.0", Sum: "h1:plain"},
			{Path: "example.org/old", Version: "v1.0.0", Sum: "h1:old", Replace: &debug.Module{Path: "example.org/new", Version: "v2.0.0", Sum: "h1:new"}},
			{Path: "blindseq/kit", Version: "v0.0.0", Replace: &debug.Module{Path: "../kit"}},
		},
	})
	if c := bom.Metadata.Component; c.Name != "api-gw" || c.Version != "v1.2.3" || (*c.Properties)[0].Value != "abc" {
		t.Errorf("the program is %+v", c)
	}
	want := []string{"pkg:golang/std@go1.26.0", "pkg:golang/example.org/plain@v1.0.0", "pkg:golang/example.org/new@v2.0.0", "pkg:golang/blindseq/kit@v0.0.0"}
	for i, c := range *bom.Components {
		if c.PackageURL != want[i] {
			t.Errorf("component %d is %s, not %s", i, c.PackageURL, want[i])
		}
	}
	if got := (*(*bom.Components)[2].Properties)[0].Value; got != "h1:new" {
		t.Errorf("the replaced module's sum is %s", got)
	}
}

func TestWhatIsWrittenIsCycloneDX(t *testing.T) {
	var out strings.Builder
	if err := Write(&out, Program{Name: "test", Version: "v1"}); err != nil {
		t.Fatal(err)
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(strings.NewReader(out.String()), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	if bom.SpecVersion != cdx.SpecVersion1_6 || bom.Metadata.Component.Name != "test" {
		t.Errorf("read again it is %s of %+v", bom.SpecVersion, bom.Metadata.Component)
	}
}
