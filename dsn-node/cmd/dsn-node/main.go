// Command dsn-node holds the parts of the DSN, each a subcommand.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"blindseq/dsn-node/bundler"
	"blindseq/dsn-node/dkg"
	"blindseq/dsn-node/keyholder"
	"blindseq/dsn-node/offline/inspect"
	"blindseq/dsn-node/offline/keygen"
	"blindseq/dsn-node/offline/opentx"
	"blindseq/dsn-node/offline/sealtx"
	"blindseq/dsn-node/sequencer"
	"blindseq/kit/config"
	"blindseq/kit/service"
	"blindseq/seal"
)

const (
	name        = "dsn-node"
	description = "The distributed sequencer network (DSN): it fixes the order of transactions before anyone can read them."
)

// commands is the command line: a field here and a row of actions for each subcommand.
type commands struct {
	Sequencer  sequencer.Config     `cmd:"" help:"Fix one content for each blueprint number and stream the preblocks."`
	Keyholder  keyholder.Config     `cmd:"" help:"Attest the order and give decryption shares for what a quorum attested."`
	ChangeView keyholder.ChangeView `cmd:"" help:"Have keyholders that are split over a number go to a higher view of it, in which the sequencer proposes again. It undoes nothing that is final."`
	TakeBack   sequencer.TakeBack   `cmd:"" help:"Copy the log of a sequencer without keyholders, but not its last number, which was fixed wrongly."`
	Dkg        dkg.Config           `cmd:"" help:"Generate a committee's key together with the other keyholders. Nobody ever knows the whole key."`
	Identity   dkg.Identity         `cmd:"" help:"Create the signing key of a keyholder and print its address."`
	Bundler    bundler.Config       `cmd:"" help:"Accept transactions from plain wallets over Ethereum JSON-RPC and seal each."`
	Submitter  bundler.Submitter    `cmd:"" help:"Show the addresses with which bundlers of one identity seal, to be named as relays in the ceremony file."`
	Keygen     keygen.Config        `cmd:"" help:"FOR DEVELOPMENT ONLY: generate all keys of a committee in one process, which knows every secret."`
	Seal       sealtx.Config        `cmd:"" help:"Seal a raw transaction, offline."`
	Open       opentx.Config        `cmd:"" help:"FOR DEVELOPMENT ONLY: open a sealed transaction with a threshold of key shares."`
	Inspect    inspect.Config       `cmd:"" help:"Show and verify a sealed transaction, preblock, certificate, order proof, evidence or committee, offline. Exit code 0: verified, 1: not verified or refused, 2: not readable."`
}

// DefaultAddresses are those of the sequencer; other services say their own in their config's tags.
func (c *commands) DefaultAddresses() (grpc, http string) { return c.Sequencer.DefaultAddresses() }

// actions is what each subcommand does. An action returns the exit code.
var actions = map[string]func(c *commands) int{
	"sequencer":   func(c *commands) int { return serve("sequencer", c.Sequencer.Base(), c.Sequencer, sequencer.Run) },
	"keyholder":   func(c *commands) int { return serve("keyholder", c.Keyholder.Base(), c.Keyholder, keyholder.Run) },
	"change-view": func(c *commands) int { return changeView(c.ChangeView) },
	"take-back":   func(c *commands) int { return report(c.TakeBack.Run()) },
	"dkg":         func(c *commands) int { return serve("dkg", c.Dkg.Base(), c.Dkg, generateTogether) },
	"bundler":     func(c *commands) int { return serve("bundler", c.Bundler.Base(), c.Bundler, bundler.Run) },
	"identity":    func(c *commands) int { return makeIdentity(c.Identity) },
	"submitter":   func(c *commands) int { return showSubmitters(c.Submitter) },
	"keygen":      func(c *commands) int { return generateAlone(c.Keygen) },
	"seal":        func(c *commands) int { return report(sealtx.Run(c.Seal, os.Stdin, os.Stdout, os.Stderr)) },
	"open":        func(c *commands) int { return open(c.Open) },
	"inspect":     func(c *commands) int { return show(c.Inspect) },
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	var c commands
	parsed, exit, err := config.Parse(name, description, &c, args, os.Stdout, service.About(name)...)
	if exit {
		return 0
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 2
	}
	command, _, _ := strings.Cut(parsed.Command(), " ") // without its arguments
	action, ok := actions[command]
	if !ok {
		fmt.Fprintf(os.Stderr, "%s: unknown command %q\n", name, command)
		return 2
	}
	return action(&c)
}

// serve runs a service until it ends or the process is asked to stop.
func serve[C any](command string, common *config.Common, cfg C, run func(context.Context, C, *slog.Logger) error) int {
	return service.Execute(name+" "+command, common, func(ctx context.Context, log *slog.Logger) error { return run(ctx, cfg, log) })
}

// generateTogether runs a key generation and prints its summary.
func generateTogether(ctx context.Context, cfg dkg.Config, log *slog.Logger) error {
	summary, err := dkg.Run(ctx, cfg, log)
	if summary != nil && err == nil {
		fmt.Println(summary)
	}
	return err
}

// changeView runs until all keyholders have answered, or the process is asked to stop.
func changeView(cfg keyholder.ChangeView) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return report(cfg.Run(ctx, os.Stdout))
}

func generateAlone(cfg keygen.Config) int {
	files, err := keygen.Run(cfg)
	if err != nil {
		return report(err)
	}
	fmt.Fprintln(os.Stderr, "These keys are for development: this process knew every secret of the committee.")
	if weakness := seal.Weakness(cfg.Keyholders); weakness != "" {
		fmt.Fprintf(os.Stderr, "This committee is small: %s. Use four keyholders or more.\n", weakness)
	}
	fmt.Println(files.Committee)
	return 0
}

func makeIdentity(cfg dkg.Identity) int {
	address, err := dkg.NewIdentity(cfg)
	if err == nil {
		fmt.Println(address)
	}
	return report(err)
}

func showSubmitters(cfg bundler.Submitter) int {
	addresses, err := bundler.Submitters(cfg)
	for _, a := range addresses {
		fmt.Println(a)
	}
	return report(err)
}

func open(cfg opentx.Config) int {
	fmt.Fprintln(os.Stderr, opentx.Warning)
	return report(opentx.Run(cfg, os.Stdin, os.Stdout))
}

func show(cfg inspect.Config) int {
	err := inspect.Run(cfg, os.Stdin, os.Stdout)
	if code := report(err); err == nil || errors.Is(err, inspect.ErrDoesNotVerify) {
		return code
	}
	return 2
}

// report prints an error and returns the exit code of a command that ended with it.
func report(err error) int {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}
