package apigw

import (
	"context"
	"net/url"
	"strings"

	"google.golang.org/grpc"

	"blindseq/api-gw/internal/gateway"
	"blindseq/kit/leader"
)

// producers is the directory of leaders, for the leading producer.
type producers struct {
	*leader.Directory
	tls bool // JSON-RPC is asked over TLS, whatever the lease says
}

// Current is the address of the leading producer's JSON-RPC.
func (p producers) Current() (address string, ok bool) {
	e, ok := p.Directory.Current(leading)
	if p.tls {
		return overTLS(e.RPC), ok
	}
	return e.RPC, ok
}

// overTLS is an address of a lease, host:port or a URL, with the scheme that is asked here.
func overTLS(address string) string {
	if _, rest, found := strings.Cut(address, "://"); found {
		address = rest
	}
	if address == "" {
		return ""
	}
	return "https://" + address
}

// readers are the producers that serve reads.
type readers struct {
	roster    *leader.Roster
	directory *leader.Directory
	scheme    string
}

// others are the JSON-RPC of those that serve reads and do not lead.
func (r readers) others() []*url.URL {
	leads, _ := r.directory.Current(leading)
	var all []*url.URL
	for _, one := range r.roster.Current() {
		if one.GRPC != leads.GRPC && one.RPC != "" {
			all = append(all, &url.URL{Scheme: r.scheme, Host: one.RPC})
		}
	}
	return all
}

// known refuses a call while no leader was ever known: gRPC would have it wait, up to its deadline, for an address.
func (p producers) known() error {
	if _, ok := p.Directory.Current(leading); !ok {
		return gateway.ErrNoLeader
	}
	return nil
}

func refuseUnary(p producers) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if err := p.known(); err != nil {
			return err
		}
		return invoke(ctx, method, req, reply, cc, opts...)
	}
}

func refuseStream(p producers) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, stream grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		if err := p.known(); err != nil {
			return nil, err
		}
		return stream(ctx, desc, cc, method, opts...)
	}
}
