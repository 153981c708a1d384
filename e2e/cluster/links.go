package cluster

import (
	"context"
	"net"
	"slices"

	"blindseq/kit/testaddr"
)

// dials lists which process gets whose address on its command line.
func (o *Options) dials() [][2]string {
	pairs := [][2]string{
		{Monitor, DSN}, {Proposer, DSN}, {Proposer, Monitor},
		{Gateway, Proposer}, {Gateway, Monitor}, {Monitor, Redis}, {Proposer, Redis}, {Gateway, Redis},
	}
	for _, producer := range o.producers() {
		pairs = append(pairs, [2]string{producer, Proposer}, [2]string{producer, Monitor}, [2]string{producer, Redis})
	}
	for _, proposer := range o.Proposers {
		pairs = append(pairs, [2]string{proposer, DSN}, [2]string{proposer, Monitor}, [2]string{proposer, Redis})
	}
	for _, k := range o.keyholders() {
		pairs = append(pairs, [2]string{DSN, k})
	}
	return pairs
}

func (o *Options) producers() []string { return append([]string{Producer}, o.replicas()...) }

// join puts the network, if there is one, between each two processes that speak to each other. Where a producer is
// others learn from what it advertises: its own ports, on another of this machine's addresses.
func (c *Cluster) join(ctx context.Context, free *testaddr.Space) error {
	c.links, c.elsewhere = map[[2]string]string{}, testaddr.New().Host
	if c.o.Network == nil {
		return nil
	}
	for _, pair := range c.o.dials() {
		if !slices.Contains(c.names, pair[0]) || !slices.Contains(c.names, pair[1]) {
			continue
		}
		listen, err := free.Next()
		if err != nil {
			return err
		}
		if _, err := c.o.Network.Join(ctx, pair[0], pair[1], listen, c.direct(pair[1])); err != nil {
			return err
		}
		c.links[pair] = listen
	}
	for _, producer := range c.o.producers() {
		if err := c.joinElsewhere(ctx, producer); err != nil {
			return err
		}
	}
	return nil
}

// joinElsewhere carries what comes to the addresses that a producer advertises.
func (c *Cluster) joinElsewhere(ctx context.Context, producer string) error {
	p := c.ports[producer]
	callers := Proposer + " and " + Gateway
	if len(c.o.Replicas) > 0 {
		callers = "other producers, " + callers
	}
	for _, l := range []struct{ from, address string }{{callers + " (gRPC)", p.grpc}, {Gateway + " (JSON-RPC)", p.rpc}} {
		_, port, err := net.SplitHostPort(l.address)
		if err != nil {
			return err
		}
		if _, err := c.o.Network.Join(ctx, l.from, producer, net.JoinHostPort(c.elsewhere, port), l.address); err != nil {
			return err
		}
	}
	return nil
}

// direct is where a process listens for the others, or what stands in front of it.
func (c *Cluster) direct(name string) string {
	if name == Redis {
		return c.ports[name].rpc
	}
	return c.addressFor(name, c.ports[name].grpc)
}

// via is the address at which one process reaches another.
func (c *Cluster) via(from, to string) string {
	if listen, ok := c.links[[2]string{from, to}]; ok {
		return listen
	}
	return c.direct(to)
}

func (c *Cluster) redisURL(name string) string {
	if c.o.RedisURL != "" {
		return c.o.RedisURL
	}
	return "redis://" + c.via(name, Redis) + "/0"
}
