package cluster

import (
	"net"
	"slices"
)

// dials says who is told whose address on its command line.
func dials() [][2]string {
	return [][2]string{
		{Monitor, DSN}, {Proposer, DSN}, {Proposer, Monitor}, {Producer, Proposer}, {Producer, Monitor},
		{Gateway, Proposer}, {Gateway, Monitor}, {Monitor, Redis}, {Proposer, Redis}, {Producer, Redis}, {Gateway, Redis},
	}
}

// join puts the network, if there is one, between each two processes that speak to each other. Where the producer is
// others learn from what it advertises: its own ports, on another of this machine's addresses.
func (c *Cluster) join(free allocator) error {
	c.links, c.elsewhere = map[[2]string]string{}, newAllocator().host
	if c.o.Network == nil {
		return nil
	}
	pairs := dials()
	for _, k := range c.o.keyholders() {
		pairs = append(pairs, [2]string{DSN, k})
	}
	for _, pair := range pairs {
		if !slices.Contains(c.names, pair[0]) || !slices.Contains(c.names, pair[1]) {
			continue
		}
		listen, err := free.address()
		if err != nil {
			return err
		}
		if _, err := c.o.Network.Join(pair[0], pair[1], listen, c.direct(pair[1])); err != nil {
			return err
		}
		c.links[pair] = listen
	}
	for _, l := range []struct{ from, address string }{
		{Proposer + " and " + Gateway + " (gRPC)", c.ports[Producer].grpc}, {Gateway + " (JSON-RPC)", c.ports[Producer].rpc},
	} {
		_, port, err := net.SplitHostPort(l.address)
		if err != nil {
			return err
		}
		if _, err := c.o.Network.Join(l.from, Producer, net.JoinHostPort(c.elsewhere, port), l.address); err != nil {
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
	return c.told(name, c.ports[name].grpc)
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
