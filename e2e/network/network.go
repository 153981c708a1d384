// Package network puts a proxy into every connection between the processes of a cluster, and lets a test break it: cut,
// slow, reset, swallow what is sent, or leave the connections there are half open.
//
// The proxies are toxiproxy's, in this process. A Network without a fault changes nothing that passes through it.
package network

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"
)

// Network is all links of one cluster.
type Network struct {
	server *toxiproxy.ApiServer // only what its proxies ask of it; it serves nothing

	mu    sync.Mutex
	links []*Link
}

// New returns a network without links.
func New() *Network {
	toxics.Register(halfOpenType, new(halfOpen))
	return &Network{server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())}
}

// Join makes a link from one process (or several, which then share it) to an address of another, listening on listen.
func (n *Network) Join(ctx context.Context, from, to, listen, address string) (*Link, error) {
	name := from + " → " + to
	l := &Link{Name: name, From: from, To: to, proxy: toxiproxy.NewProxy(n.server, name, listen, address)}
	if err := l.listen(ctx); err != nil {
		return nil, fmt.Errorf("join %s: %w", name, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links = append(n.links, l)
	return l, nil
}

// Links returns all links, in the order in which they were joined.
func (n *Network) Links() []*Link {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*Link(nil), n.links...)
}

// To returns the links to a process.
func (n *Network) To(process string) (links []*Link) {
	for _, l := range n.Links() {
		if l.To == process {
			links = append(links, l)
		}
	}
	return links
}

// Between is the link from one process to another; nil when there is none.
func (n *Network) Between(from, to string) *Link {
	for _, l := range n.Links() {
		if l.From == from && l.To == to {
			return l
		}
	}
	return nil
}

// Repair repairs every link.
func (n *Network) Repair(ctx context.Context) error {
	var failed error
	for _, l := range n.Links() {
		failed = errors.Join(failed, l.Repair(ctx))
	}
	return failed
}

// Close breaks all connections and closes the listeners.
func (n *Network) Close() {
	for _, l := range n.Links() {
		l.proxy.Stop()
	}
}
