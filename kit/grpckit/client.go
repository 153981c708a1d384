package grpckit

import (
	"context"
	"fmt"
	"net"
	"time"

	"blindseq/kit/certs"
	"blindseq/kit/config"
	"blindseq/kit/roles"
	"blindseq/kit/telemetry"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver/dns"
)

// serviceConfig spreads calls over all addresses of a name. The library never retries a call: only the caller knows which
// calls may be repeated.
const serviceConfig = `{"loadBalancingConfig":[{"round_robin":{}}]}`

// longestDelay is the longest pause between attempts to connect to a service that is down. Production must continue within
// 2 s of its return, the callers' own pauses included.
const longestDelay = 500 * time.Millisecond

// lookupEvery is the minimum time between two DNS look-ups of a name whose addresses do not answer. The library's default is
// 30 s: for that long no client would find a service that returned at another address, as a replaced pod does.
const lookupEvery = 500 * time.Millisecond

// connectTimeout bounds a TCP connect, which takes one round trip. An address whose pod has gone does not answer at all: the next
// attempt goes where its name, or the Service behind the address, leads by then. It is also when a lost SYN would be sent again.
const connectTimeout = time.Second

// handshakeDeadline bounds a connect with the handshakes of TLS and HTTP/2 after it.
const handshakeDeadline = 2 * time.Second

// The library keeps it for the whole process, and wants it set before the first connection.
func init() { dns.SetMinResolutionInterval(lookupEvery) }

// Dial returns a connection to a target ("host:port", "dns:///name:port", "leader:///name"). It connects when first
// used, and again, with backoff, whenever it is broken. With TLS, any server that the authority knows by this name will do.
func Dial(target string, tls config.TLS, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	source, err := open(tls)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", target, err)
	}
	return dial(target, clientCredentials(source, nil), options)
}

// DialRole is Dial for a server that has to be of a role, as its certificate says. Without TLS (source is nil) nobody is.
func DialRole(target string, server roles.Role, source *certs.Source, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	return dial(target, clientCredentials(source, []roles.Role{server}), options)
}

func dial(target string, creds credentials.TransportCredentials, options []grpc.DialOption) (*grpc.ClientConn, error) {
	if telemetry.On() {
		options = append(options, grpc.WithStatsHandler(otelgrpc.NewClientHandler()))
	}
	conn, err := grpc.NewClient(target, append([]grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithChainUnaryInterceptor(sendToken),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessageBytes), grpc.MaxCallSendMsgSize(MaxMessageBytes)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: longestDelay},
			MinConnectTimeout: handshakeDeadline,
		}),
		grpc.WithContextDialer(connect),
	}, options...)...)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", target, err)
	}
	return conn, nil
}

// connect goes to the address itself: a proxy that the environment names is not for services.
func connect(ctx context.Context, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, "tcp", address)
}
