package apigw

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"

	"blindseq/api-gw/internal/gateway"
	"blindseq/api-gw/internal/httpserver"
	"blindseq/api-gw/internal/page"
	"blindseq/api-gw/internal/private"
	"blindseq/api-gw/internal/rest"
	"blindseq/api-gw/internal/rpcproxy"
	"blindseq/kit/auth"
	"blindseq/kit/grpckit"
	"blindseq/kit/host"
	"blindseq/kit/rpchttp"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"golang.org/x/sync/errgroup"
)

// front is the three public listeners, each with its policy for calls that change something.
type front struct {
	grpc, rest, rpc *listener
}

type listener struct {
	net.Listener
	policy auth.Policy
}

// listen opens the public listeners, and refuses an address that others can reach when there is no token.
func listen(h *host.Host, cfg Config) (f *front, err error) {
	var tokens *auth.Tokens
	if cfg.APITokenFile != "" {
		if tokens, err = auth.OpenTokens(cfg.APITokenFile, h.Log); err != nil {
			return nil, err
		}
	}
	f = &front{}
	for _, one := range []struct {
		name, address string
		to            **listener
	}{
		{"gRPC", cfg.GRPCAddress, &f.grpc}, {"REST", cfg.RESTAddress, &f.rest}, {"JSON-RPC", cfg.RPCAddress, &f.rpc},
	} {
		l, err := h.Listen(one.name, one.address)
		if err != nil {
			return nil, err
		}
		policy, err := auth.NewPolicy(tokens, l.Addr(), cfg.LoopbackToken)
		if err != nil {
			return nil, fmt.Errorf("serve %s: %w", one.name, err)
		}
		*one.to = &listener{l, policy}
	}
	return f, nil
}

// runner is a server of one listener.
type runner interface{ Run(context.Context) error }

// together runs servers that start and stop at once, so that their drain times overlap and do not add up.
func together(servers ...runner) func(context.Context) error {
	return func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		for _, s := range servers {
			g.Go(func() error { return s.Run(ctx) })
		}
		return g.Wait()
	}
}

// grpcServer serves the API on gRPC.
func (s *Service) grpcServer(api *gateway.Server) (*grpckit.Server, error) {
	server, err := s.GRPC(grpckit.ServerConfig{
		Listener: s.front.grpc.Listener,
		Unary:    grpcInterceptors(s.front.grpc.policy.Unary(public)),
		Stream:   grpcInterceptors(s.front.grpc.policy.Stream(public)),
	})
	if err != nil {
		return nil, err
	}
	gatewayv1.RegisterGatewayServiceServer(server.Registrar(), api)
	return server, nil
}

func grpcInterceptors[I any](i ...I) []I { return i }

// public says which gRPC methods anyone may call: those that only read. All others need the token.
func public(method string) bool {
	switch method {
	case gatewayv1.GatewayService_GetStatus_FullMethodName,
		gatewayv1.GatewayService_GetBlueprint_FullMethodName,
		gatewayv1.GatewayService_StreamBlueprints_FullMethodName,
		gatewayv1.GatewayService_GetPreblock_FullMethodName,
		gatewayv1.GatewayService_FollowTransaction_FullMethodName,
		gatewayv1.GatewayService_ListProposals_FullMethodName:
		return true
	}
	return strings.HasPrefix(method, "/grpc.health.v1.Health/") || strings.HasPrefix(method, "/grpc.reflection.")
}

// restServer serves the API on REST, and the page beside it.
func (s *Service) restServer(ctx context.Context, api *gateway.Server) (*httpserver.Server, error) {
	handler, err := rest.New(ctx, api, s.front.rest.policy)
	if err != nil {
		return nil, err
	}
	if s.cfg.Page {
		about := page.Config{RPCHost: s.cfg.PageRPCHost, RPCAddress: s.front.rpc.Addr(), Faucet: s.cfg.PageFaucet}
		if handler, err = page.New(about, handler); err != nil {
			return nil, err
		}
	}
	return s.httpServer(ctx, "rest", s.front.rest, handler, rest.Refuse), nil
}

// rpcServer serves JSON-RPC: what is forwarded at / and /ws, our own at /private.
func (s *Service) rpcServer(ctx context.Context, api *gateway.Server, proxy *rpcproxy.Proxy) *httpserver.Server {
	mux := http.NewServeMux()
	mux.Handle("/{$}", proxy.Root())
	mux.Handle("/ws", proxy.WebSocket())
	mux.Handle("/private", private.New(api, s.front.rpc.policy))
	mux.HandleFunc("/", rpchttp.Elsewhere)
	return s.httpServer(ctx, "rpc", s.front.rpc, mux, rpcproxy.Refuse)
}

func (s *Service) httpServer(ctx context.Context, name string, l net.Listener, handler http.Handler, refuse func(http.ResponseWriter, error)) *httpserver.Server {
	return httpserver.New(ctx, httpserver.Config{
		Name: name, Listener: l, Handler: handler, MaxConnections: s.cfg.MaxConns, Budget: s.budget, Refuse: refuse, Recorder: s.metrics, Log: s.Log,
	})
}
