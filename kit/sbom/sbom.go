// Package sbom lists what this program was built from, in CycloneDX: every Go module linked into it, with version and hash,
// as the linker recorded them. C code that was linked in belongs to the module that carries it.
package sbom

import (
	"fmt"
	"io"
	"runtime/debug"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// Program is what the linker does not record.
type Program struct {
	Name, Version, Revision string
}

// Write writes the bill of materials of the running program as JSON. It is the same for the same build.
func Write(w io.Writer, p Program) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return fmt.Errorf("write SBOM of %s: the program has no build information", p.Name)
	}
	return WriteOf(w, p, info)
}

// WriteOf writes the bill of materials of a program that is not running, from what debug/buildinfo reads from its file.
func WriteOf(w io.Writer, p Program, info *debug.BuildInfo) error {
	bom := describe(p, info)
	if err := cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return fmt.Errorf("write SBOM of %s: %w", p.Name, err)
	}
	return nil
}

// Modules is how many modules are linked into the running program, the standard library not counted.
func Modules() int {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return 0
	}
	return len(info.Deps)
}

func describe(p Program, info *debug.BuildInfo) *cdx.BOM {
	program := cdx.Component{
		BOMRef: info.Path, Type: cdx.ComponentTypeApplication, Name: p.Name, Version: p.Version,
		Properties: &[]cdx.Property{{Name: "blindseq:revision", Value: p.Revision}},
	}
	std := cdx.Component{
		BOMRef: "std", Type: cdx.ComponentTypeLibrary, Name: "std", Version: info.GoVersion,
		PackageURL: "pkg:golang/std@" + info.GoVersion,
	}
	components := []cdx.Component{std}
	for _, m := range info.Deps {
		components = append(components, component(m))
	}
	refs := make([]string, len(components))
	for i, c := range components {
		refs[i] = c.BOMRef
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &program}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: program.BOMRef, Dependencies: &refs}}
	return bom
}

// component is a module as it was linked: what replaced it, if anything did.
func component(m *debug.Module) cdx.Component {
	if m.Replace != nil && m.Replace.Version != "" {
		m = m.Replace
	}
	url := "pkg:golang/" + m.Path + "@" + m.Version
	c := cdx.Component{BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: url}
	if m.Sum != "" {
		c.Properties = &[]cdx.Property{{Name: "go:sum", Value: m.Sum}}
	}
	return c
}
