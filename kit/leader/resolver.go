package leader

import (
	"cmp"
	"fmt"
	"net"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
)

// Scheme of the gRPC targets that follow a leader: "leader:///producer".
const Scheme = "leader"

// DialOption lets a connection follow the leader of a lease this Directory knows: new calls go to the new leader at once,
// calls under way end where they are. Before any leader is known calls wait, to their deadline. TLS checks the certificate
// for the leader's name, or else the host of its address. Run has to be running.
func (d *Directory) DialOption() grpc.DialOption { return grpc.WithResolvers(builder{d}) }

type builder struct{ directory *Directory }

func (b builder) Scheme() string { return Scheme }

func (b builder) Build(target resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	name := target.Endpoint()
	if !slices.Contains(b.directory.names, name) {
		return nil, fmt.Errorf("resolve %s:///%s: known are the leaders of %q", Scheme, name, b.directory.names)
	}
	f := &follower{directory: b.directory, name: name, cc: cc, closing: make(chan struct{}), closed: make(chan struct{})}
	go f.run()
	return f, nil
}

// follower feeds one connection.
type follower struct {
	directory *Directory
	name      string
	cc        resolver.ClientConn
	closing   chan struct{}
	closed    chan struct{}
}

func (f *follower) run() {
	defer close(f.closed)
	var last Endpoint
	for {
		changed := f.directory.Changed()
		// Nothing is said while no leader is known: an empty list would fail the calls that had better wait.
		if e, ok := f.directory.Current(f.name); ok && (e.GRPC != last.GRPC || e.Name != last.Name) {
			last = e
			// The error says that the balancer wants another resolution; ResolveNow follows.
			_ = f.cc.UpdateState(resolver.State{Addresses: []resolver.Address{{Addr: e.GRPC, ServerName: cmp.Or(e.Name, host(e.GRPC))}}})
		}
		select {
		case <-changed:
		case <-f.closing:
			return
		}
	}
}

// ResolveNow is called by gRPC when a connection fails.
func (f *follower) ResolveNow(resolver.ResolveNowOptions) { f.directory.Refresh() }

func (f *follower) Close() {
	close(f.closing)
	<-f.closed
}

func host(addr string) string {
	if h, _, err := net.SplitHostPort(addr); err == nil {
		return h
	}
	return addr
}
