// Command dsn-node holds the parts of the DSN, each a subcommand.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"blindseq/dsn-node/dkg"
	"blindseq/dsn-node/keygen"
	"blindseq/dsn-node/keyholder"
	"blindseq/dsn-node/sequencer"
	"blindseq/kit/config"
	"blindseq/kit/service"

	"github.com/alecthomas/kong"
)

const (
	name        = "dsn-node"
	description = "The DSN: it fixes the order of transactions before anyone can read them."
)

// commands is the command line: one field and one case in run for each subcommand.
type commands struct {
	Version   kong.VersionFlag `help:"Print the version and exit." env:"-"`
	Sequencer sequencer.Config `cmd:"" help:"Fix one content for each blueprint number and stream the preblocks."`
	Keyholder keyholder.Config `cmd:"" help:"Attest the order and give decryption shares for what a quorum attested."`
	Dkg       dkg.Config       `cmd:"" help:"Make a committee's key together with the other keyholders, so that nobody ever knows it."`
	Identity  dkg.Identity     `cmd:"" help:"Make the key a keyholder signs with, and print its address."`
	Keygen    keygen.Config    `cmd:"" help:"FOR DEVELOPMENT ONLY: make all keys of a committee here, where they can be read together."`
}

// DefaultAddresses are those of the sequencer; other services say their own in their config's tags.
func (c *commands) DefaultAddresses() (grpc, http string) { return c.Sequencer.DefaultAddresses() }

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	var c commands
	parsed, exit, err := config.Parse(name, description, &c, args, os.Stdout, kong.Vars{"version": service.VersionString(name)})
	if exit {
		return 0
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 2
	}
	switch command := parsed.Command(); command {
	case "sequencer":
		return service.Execute(name+" "+command, c.Sequencer.Base(), func(ctx context.Context, log *slog.Logger) error {
			return sequencer.Run(ctx, c.Sequencer, log)
		})
	case "keyholder":
		return service.Execute(name+" "+command, c.Keyholder.Base(), func(ctx context.Context, log *slog.Logger) error {
			return keyholder.Run(ctx, c.Keyholder, log)
		})
	case "dkg":
		return service.Execute(name+" "+command, c.Dkg.Base(), func(ctx context.Context, log *slog.Logger) error {
			outcome, err := dkg.Run(ctx, c.Dkg, log)
			if outcome != nil && err == nil {
				fmt.Println(outcome)
			}
			return err
		})
	case "identity":
		return makeIdentity(c.Identity)
	case "keygen":
		return generate(c.Keygen)
	default:
		fmt.Fprintf(os.Stderr, "%s: unknown command %q\n", name, command)
		return 2
	}
}

func generate(cfg keygen.Config) int {
	files, err := keygen.Run(cfg)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	fmt.Fprintln(os.Stderr, "These keys are for development: this process knew every secret of the committee.")
	fmt.Println(files.Committee)
	return 0
}

func makeIdentity(cfg dkg.Identity) int {
	address, err := dkg.NewIdentity(cfg)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	fmt.Println(address)
	return 0
}
