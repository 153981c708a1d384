package service

import (
	"fmt"
	"runtime"

	"blindseq/kit/sbom"

	"github.com/alecthomas/kong"
)

// Version is the release and Revision the commit; set by the linker (-X blindseq/kit/service.Version=…).
var (
	Version  = "dev"
	Revision = "unknown"
)

// about is embedded beside a program's own flags.
type about struct {
	Version kong.VersionFlag `help:"Print version, revision and build environment, and exit." env:"-"`
	SBOM    billFlag         `name:"sbom" help:"Print every module the program was built from (CycloneDX JSON) and exit." env:"-"`
}

// About gives a program the flags --version and --sbom.
func About(name string) []kong.Option {
	return []kong.Option{kong.Vars{"version": VersionString(name)}, kong.Embed(&about{})}
}

// VersionString names the program, its release and revision, the Go it was built with, and how to see the rest of it.
func VersionString(name string) string {
	return fmt.Sprintf("%s %s (revision %s, %s, %d modules: %s --sbom)", name, Version, Revision, runtime.Version(), sbom.Modules(), name)
}

// billFlag prints the bill of materials instead of running the program.
type billFlag bool

// BeforeReset is called by kong before the flags are checked, so that none else is needed.
func (billFlag) BeforeReset(app *kong.Kong) error {
	if err := sbom.Write(app.Stdout, sbom.Program{Name: app.Model.Name, Version: Version, Revision: Revision}); err != nil {
		return err
	}
	app.Exit(0)
	return nil
}
