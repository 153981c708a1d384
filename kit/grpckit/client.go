package grpckit

import (
	"fmt"
	"time"

	"blindseq/kit/config"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver/dns"
)

// serviceConfig spreads calls over all addresses a name has. Calls are never repeated by the library: which call may
// be repeated is for the caller to know.
const serviceConfig = `{"loadBalancingConfig":[{"round_robin":{}}]}`

// longestDelay is before a try to connect to a service that is away. Production must continue within 2 s of its return,
// the callers' own pauses included.
const longestDelay = 500 * time.Millisecond

// lookupEvery is the least time between two looks at a name whose addresses do not answer. The library's is 30 s: as long
// would nobody find a service that came back at another address, as a pod does that is replaced.
const lookupEvery = 500 * time.Millisecond

// The library keeps it for the whole process, and wants it set before the first connection.
func init() { dns.SetMinResolutionInterval(lookupEvery) }

// Dial returns a connection to a target ("host:port", "dns:///name:port", "leader:///name"). It connects when first
// used, and again, with backoff, whenever it is broken.
func Dial(target string, tls config.TLS, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	creds, err := clientCredentials(tls)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", target, err)
	}
	conn, err := grpc.NewClient(target, append([]grpc.DialOption{
		creds,
		grpc.WithChainUnaryInterceptor(sendToken),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler()),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessageBytes), grpc.MaxCallSendMsgSize(MaxMessageBytes)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: longestDelay},
			MinConnectTimeout: 2 * time.Second,
		}),
	}, options...)...)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", target, err)
	}
	return conn, nil
}
