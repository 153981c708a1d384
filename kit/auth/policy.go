package auth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Why a call is refused, or a listener not served.
var (
	ErrMissing     = errors.New("this call needs a bearer token: Authorization: Bearer <token>")
	ErrWrong       = errors.New("the bearer token is wrong")
	ErrOtherOrigin = errors.New("a web page of another origin may not make this call without a bearer token")
	ErrTokenNeeded = errors.New("other machines can reach this address: set a token file (--api-token-file, of the sequencer --origin-token-file), or listen on a loopback address")
)

// Policy is the rule of one listener. The zero value refuses everything.
type Policy struct {
	tokens   *Tokens // nil: there is none to present
	loopback bool
}

// NewPolicy returns the rule for a listener at addr. everywhere demands the token on loopback too, for a proxy on
// this machine that forwards the calls of others.
func NewPolicy(tokens *Tokens, addr net.Addr, everywhere bool) (Policy, error) {
	loopback := isLoopback(addr)
	if !loopback && tokens == nil {
		return Policy{}, fmt.Errorf("listen on %s: %w", addr, ErrTokenNeeded)
	}
	return Policy{tokens: tokens, loopback: loopback && !(everywhere && tokens != nil)}, nil
}

func isLoopback(addr net.Addr) bool {
	ap, err := netip.ParseAddrPort(addr.String())
	return err == nil && ap.Addr().Unmap().IsLoopback()
}

// Check decides by the values of the Authorization header. A wrong token is refused even where none is needed, because its
// sender expects another server.
func (p Policy) Check(authorization []string) error {
	_, err := p.check(authorization)
	return err
}

// check also says whether a right token was presented.
func (p Policy) check(authorization []string) (proven bool, err error) {
	presented, ok := bearer(authorization)
	switch {
	case !ok && p.loopback:
		return false, nil
	case !ok:
		return false, ErrMissing
	case p.tokens == nil && p.loopback:
		return false, nil
	case p.tokens == nil || !p.tokens.matches(presented):
		return false, ErrWrong
	}
	return true, nil
}

func bearer(authorization []string) (string, bool) {
	if len(authorization) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(authorization[0], " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "bearer")
}

// CheckHTTP decides about an HTTP request.
func (p Policy) CheckHTTP(r *http.Request) error {
	proven, err := p.check(r.Header.Values("Authorization"))
	if err != nil || proven {
		return err
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil || !localHost(r.Host) {
		return ErrOtherOrigin
	}
	return nil
}

// localHost says whether a Host header is one that no foreign DNS record can point here.
func localHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// Unary guards every gRPC method that is not public, those added later included.
func (p Policy) Unary(public func(method string) bool) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if err := p.checkCall(ctx, info.FullMethod, public); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

// Stream does for streams what Unary does for single calls.
func (p Policy) Stream(public func(method string) bool) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		if err := p.checkCall(stream.Context(), info.FullMethod, public); err != nil {
			return err
		}
		return next(srv, stream)
	}
}

func (p Policy) checkCall(ctx context.Context, method string, public func(string) bool) error {
	if public(method) {
		return nil
	}
	md, _ := metadata.FromIncomingContext(ctx)
	if err := p.Check(md.Get("authorization")); err != nil {
		return status.Error(Code(err), err.Error())
	}
	return nil
}

// Code is the status code of a refusal.
func Code(err error) codes.Code {
	if errors.Is(err, ErrMissing) {
		return codes.Unauthenticated
	}
	return codes.PermissionDenied
}
