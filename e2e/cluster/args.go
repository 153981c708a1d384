package cluster

import (
	"net"
	"path/filepath"
)

func (c *Cluster) redisURL() string { return "redis://" + c.ports[Redis].rpc + "/0" }

func (c *Cluster) redisArgs() []string {
	host, port, _ := net.SplitHostPort(c.ports[Redis].rpc) // an allocator made it
	return []string{"--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--daemonize", "no"}
}

// args is the command line of a service: all that is not a default, so that nothing here hides one.
func (c *Cluster) args(name string) []string {
	p := c.ports[name]
	var args []string
	program := c.program(name)
	if name == DSN {
		args = append(args, "sequencer")
	}
	args = append(args, "--grpc-address", p.grpc, "--http-address", p.http)
	if c.o.OTLP != "" {
		args = append(args, "--otlp-endpoint", c.o.OTLP)
	}
	if name != DSN {
		args = append(args, "--redis-url", c.redisURL())
	}
	data := filepath.Join(c.dir, name, "data")
	switch program {
	case DSN:
		args = append(args, "--rpc-address", p.rpc, "--data-dir", data)
	case Monitor:
		args = append(args, "--dsn", c.ports[DSN].grpc)
	case Proposer:
		args = append(args, "--dsn", c.ports[DSN].grpc, "--monitor", c.ports[Monitor].grpc)
	case Producer:
		args = append(args, "--rpc-address", p.rpc, "--data-dir", data,
			"--proposer", c.ports[Proposer].grpc, "--monitor", c.ports[Monitor].grpc)
		args = append(args, c.replicaArgs(name)...)
	case Gateway:
		args = append(args, "--rpc-address", p.rpc, "--rest-address", p.rest,
			"--proposer", c.ports[Proposer].grpc, "--monitor", c.ports[Monitor].grpc)
	}
	return append(args, c.o.Args[name]...)
}
