package cluster

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"blindseq/dsn-node/offline/keygen"
)

// devChainID is that of the development genesis.
const devChainID = 1337

// Front puts something in front of a process: it is given the process's address (host:port) and the keys of the committee,
// and returns the address that others get instead. Of a keyholder others are the sequencer; of the gateway and of
// the observer, the bundler. It is to serve before it returns.
type Front func(address string, keys *keygen.Files) (string, error)

// Keyholder is the name of the process of an authority, as its key files are called.
func Keyholder(authority int) string { return fmt.Sprintf("keyholder-%d", authority) }

func (o *Options) keyholders() (names []string) {
	for i := range o.Keyholders {
		names = append(names, Keyholder(i))
	}
	return names
}

// names are the processes to run, in the order in which they need each other.
func (o *Options) names() []string {
	all := append([]string{Redis}, Services()...)
	all = slices.Insert(all, slices.Index(all, Gateway), o.replicas()...)
	all = slices.Insert(all, slices.Index(all, Producer), o.Proposers...)
	if o.Bundler {
		all = append(all, Observer, Bundler)
	}
	if o.Bundlers > 1 {
		all = append(all, Bundler2)
	}
	if len(o.Only) > 0 {
		all = slices.DeleteFunc(all, func(name string) bool { return !slices.Contains(o.Only, name) })
	}
	if o.RedisURL != "" {
		all = slices.DeleteFunc(all, func(name string) bool { return name == Redis })
	}
	return append(o.keyholders(), all...)
}

// possible are the processes that could be run.
func (o *Options) possible() []string {
	return slices.Concat([]string{Redis, Observer, Bundler, Bundler2}, Services(), o.replicas(), o.Proposers, o.keyholders())
}

// program is what a process runs.
func (c *Cluster) program(name string) string {
	if isBundler(name) || c.authority(name) >= 0 {
		return DSN
	}
	return c.role(name)
}

// authority is that of a keyholder, negative for any other process.
func (c *Cluster) authority(name string) int { return slices.Index(c.o.keyholders(), name) }

// makeKeys deals the committee's keys, as a developer does.
func (c *Cluster) makeKeys(ctx context.Context) error {
	if c.o.Keyholders == 0 {
		return nil
	}
	chainID := c.o.ChainID
	if chainID == 0 {
		chainID = devChainID
	}
	dir := filepath.Join(c.dir, "keys")
	args := []string{"keygen", "--out", dir, "--chain-id", strconv.FormatUint(chainID, 10),
		"--keyholders", strconv.Itoa(c.o.Keyholders), "--threshold", strconv.Itoa(c.o.Threshold)}
	if c.o.SealedGas > 0 {
		args = append(args, "--sealed-gas", strconv.FormatUint(c.o.SealedGas, 10))
	}
	if c.o.Bundlers > 1 {
		args = append(args, "--bundler-instances", Bundler+","+Bundler2)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.o.Bin, DSN), args...)
	cmd.Env = cleanEnvironment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make keys: %w\n%s", err, out)
	}
	c.Keys = keygen.Layout(dir, c.o.Keyholders)
	return nil
}

func (c *Cluster) putFronts() error {
	for name, front := range c.o.Fronts {
		address := c.ports[name].grpc
		if name == Gateway || name == Observer {
			address = c.ports[name].rpc
		}
		shown, err := front(address, c.Keys)
		if err != nil {
			return fmt.Errorf("put something in front of %s: %w", name, err)
		}
		c.shown[name] = shown
	}
	return nil
}

// addressFor is the address at which others reach a process.
func (c *Cluster) addressFor(name, address string) string {
	if shown, ok := c.shown[name]; ok {
		return shown
	}
	return address
}

// encryptionArgs is what the parts of encryption add to a command line.
func (c *Cluster) encryptionArgs(name, data string) []string {
	if c.Keys == nil {
		return nil
	}
	args := []string{"--committee-file", c.Keys.Committee}
	switch {
	case name == DSN:
		var addresses []string
		for _, k := range c.o.keyholders() {
			addresses = append(addresses, c.via(name, k))
		}
		return append(args, "--keyholders", strings.Join(addresses, ","), "--identity-file", c.Keys.Sequencer)
	case name == Monitor, c.role(name) == Producer:
		return args
	case isBundler(name):
		args = append(args, c.peerArgs(name)...)
		return append(args, "--rpc-address", c.ports[name].rpc, "--rollup-rpc", "http://"+c.addressFor(Gateway, c.ports[Gateway].rpc),
			"--observer-rpc", c.scheme()+"://"+c.addressFor(Observer, c.ports[Observer].rpc), "--identity-file", c.Keys.Bundler, "--data-dir", data)
	}
	if i := c.authority(name); i >= 0 {
		return append(args, "--share-file", c.Keys.Shares[i], "--identity-file", c.Keys.Identities[i], "--data-dir", data)
	}
	return nil
}

func isBundler(name string) bool { return name == Bundler || name == Bundler2 }

// peerArgs are the flags of bundlers when there are several.
func (c *Cluster) peerArgs(name string) []string {
	if c.o.Bundlers < 2 {
		return nil
	}
	list := fmt.Sprintf("%s=%s,%s=%s", Bundler, c.ports[Bundler].grpc, Bundler2, c.ports[Bundler2].grpc)
	return []string{"--instance", name, "--peers", list}
}
