package cluster

import (
	"net"
	"path/filepath"

	"blindseq/kit/rediskeys"
)

func (c *Cluster) redisArgs() []string {
	host, port, _ := net.SplitHostPort(c.ports[Redis].rpc) // a Space made it
	return []string{"--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--daemonize", "no"}
}

// args is the command line of a service: all that is not a default, so that nothing here hides one.
func (c *Cluster) args(name string) []string {
	p := c.ports[name]
	var args []string
	role := c.role(name)
	switch {
	case name == DSN:
		args = append(args, "sequencer")
	case isBundler(name):
		args = append(args, "bundler")
	case c.authority(name) >= 0:
		args = append(args, "keyholder")
	}
	args = append(args, "--grpc-address", p.grpc, "--http-address", p.http)
	args = append(args, c.tlsArgs(name)...)
	if c.o.OTLP != "" {
		args = append(args, "--otlp-endpoint", c.o.OTLP)
	}
	if c.program(name) != DSN {
		args = append(args, "--redis-url", c.redisURL(name))
		if c.o.ChainID != 0 {
			args = append(args, "--deployment", rediskeys.OfChain(c.o.ChainID))
		}
	}
	data := filepath.Join(c.dir, name, "data")
	switch role {
	case DSN:
		args = append(args, "--rpc-address", p.rpc, "--data-dir", data)
	case Monitor:
		args = append(args, "--dsn", c.via(name, DSN))
	case Proposer:
		args = append(args, "--dsn", c.via(name, DSN), "--monitor", c.via(name, Monitor))
	case Producer:
		args = append(args, "--rpc-address", p.rpc, "--data-dir", data, "--dev-genesis",
			"--proposer", c.via(name, Proposer), "--monitor", c.via(name, Monitor))
		args = append(args, c.replicaArgs(name)...)
	case Gateway:
		args = append(args, "--rpc-address", p.rpc, "--rest-address", p.rest,
			"--proposer", c.via(name, Proposer), "--monitor", c.via(name, Monitor))
	}
	if role == Producer && c.o.Network != nil {
		args = append(args, "--advertise", c.elsewhere)
	}
	return append(append(args, c.encryptionArgs(name, data)...), c.o.Args[name]...)
}
