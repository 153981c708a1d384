// Package rest serves the public API over HTTP and JSON, through grpc-gateway. The OpenAPI document is its routing
// table: it serves what the document describes, and nothing else. It checks requests strictly before the gateway sees them:
// an undescribed field, query parameter or body, or a value of the wrong type, is refused by name. Every answer is JSON,
// including refusals; an error is a google.rpc.Status.
package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"blindseq/api-gw/internal/gateway"
	"blindseq/api-gw/internal/httpserver"
	"blindseq/kit/auth"
	"blindseq/kit/budget"
	"blindseq/kit/jsonrpc"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"
	"blindseq/proto/openapi"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
)

// bodyLimit bounds a request: a delayed transaction of the largest size, in hex, fits.
const bodyLimit = 1 << 20

// marshal is how answers are written: fields by their proto names, numbers of 64 bits as strings (as proto's JSON
// mapping has it, for JavaScript cannot hold them), what is zero written out, what is absent left out.
var marshal = protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}

// Server is the API.
type Server interface {
	gatewayv1.GatewayServiceServer
	// Follow sends the steps of a transaction that were not told yet, and returns nil after the last one.
	Follow(ctx context.Context, hash []byte, told gateway.Progress, send func(*gatewayv1.TransactionStep) error) error
}

// New returns the handler of the whole API.
func New(ctx context.Context, server Server, policy auth.Policy) (http.Handler, error) {
	routes, err := routesOf(openapi.Document())
	if err != nil {
		return nil, err
	}
	gw := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &runtime.JSONPb{MarshalOptions: marshal}),
		runtime.WithErrorHandler(func(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
			writeError(w, err)
		}),
		runtime.WithRoutingErrorHandler(func(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, code int) {
			writeStatus(w, code, status.Newf(codes.NotFound, "%s %s is not served", r.Method, r.URL.Path))
		}),
		runtime.WithIncomingHeaderMatcher(func(name string) (string, bool) {
			return gateway.IdempotencyKey, strings.EqualFold(name, gateway.IdempotencyKey)
		}),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithDisablePathLengthFallback(),
	)
	if err := gatewayv1.RegisterGatewayServiceHandlerServer(ctx, gw, server); err != nil {
		return nil, fmt.Errorf("serve REST: %w", err)
	}
	return build(routes, policy, gw, server), nil
}

// build lays the routes out. http.ServeMux knows the pattern of each request, which the metrics want.
func build(routes []route, policy auth.Policy, gw http.Handler, server Server) http.Handler {
	mux := http.NewServeMux()
	allowed := map[string][]string{}
	for _, rt := range routes {
		next := gw
		switch {
		case rt.call == "FollowTransaction":
			next = followTransaction(server)
		case rt.streams:
			next = streamBlueprints(server)
		}
		mux.Handle(rt.method+" "+rt.path, guarded(rt, policy, next))
		allowed[rt.path] = append(allowed[rt.path], rt.method)
	}
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, openapi.Document()) // the client may have gone
	})
	allowed["/openapi.json"] = []string{http.MethodGet}
	for path, methods := range allowed {
		mux.HandleFunc(path, notAllowed(strings.Join(methods, ", ")))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeStatus(w, http.StatusNotFound, status.Newf(codes.NotFound, "%s is not served; /openapi.json says what is", r.URL.Path))
	})
	return mux
}

func notAllowed(methods string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", methods)
		writeStatus(w, http.StatusMethodNotAllowed, status.Newf(codes.Unimplemented, "%s is not served at %s; %s is", r.Method, r.URL.Path, methods))
	}
}

// guarded lets only those requests through to next that may be made and are well formed.
func guarded(rt route, policy auth.Policy, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead { // matched by the pattern of GET
			notAllowed(rt.method)(w, r)
			return
		}
		if rt.method != http.MethodGet {
			if err := policy.CheckHTTP(r); err != nil {
				writeRefusal(w, err)
				return
			}
		}
		var body bytes.Buffer
		if err := httpserver.Body(w, r, bodyLimit, &body); err != nil {
			writeBodyError(w, err)
			return
		}
		if body.Len() > 0 && rt.body && !jsonrpc.IsJSON(r.Header) {
			writeStatus(w, http.StatusUnsupportedMediaType, status.New(codes.InvalidArgument, "the Content-Type must be application/json"))
			return
		}
		if err := rt.check(r, body.Bytes()); err != nil {
			writeError(w, err)
			return
		}
		r.Body = io.NopCloser(&body)
		next.ServeHTTP(w, r)
	})
}

func writeRefusal(w http.ResponseWriter, err error) {
	if errors.Is(err, auth.ErrMissing) {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	writeError(w, status.Error(auth.Code(err), err.Error()))
}

// Refuse answers a request that a budget of the listener refuses.
func Refuse(w http.ResponseWriter, err error) {
	writeStatus(w, http.StatusTooManyRequests, status.New(codes.ResourceExhausted, err.Error()))
}

func writeBodyError(w http.ResponseWriter, err error) {
	code := codes.InvalidArgument
	if errors.Is(err, httpserver.ErrBodyTooLarge) || errors.Is(err, budget.ErrExceeded) {
		code = codes.ResourceExhausted
	}
	writeStatus(w, httpserver.BodyStatus(err), status.New(code, err.Error()))
}

func writeError(w http.ResponseWriter, err error) {
	s := status.Convert(err)
	if s.Code() == codes.Unavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeStatus(w, runtime.HTTPStatusFromCode(s.Code()), s)
}

func writeStatus(w http.ResponseWriter, httpStatus int, s *status.Status) {
	body, err := marshal.Marshal(s.Proto())
	if err != nil { // a detail of an unknown type
		body = []byte(`{"code":13,"message":"encode error","details":[]}`)
	}
	jsonrpc.Write(w, httpStatus, body)
}
