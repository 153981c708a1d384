package grpckit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"blindseq/kit/certs"
	"blindseq/kit/certs/certstest"
	"blindseq/kit/config"
	"blindseq/kit/roles"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	bundlerv1 "blindseq/proto/blindseq/bundler/v1"
	dkgv1 "blindseq/proto/blindseq/dkg/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"
	replicationv1 "blindseq/proto/blindseq/replication/v1"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// every is a server with every service of the contracts, each of which implements nothing.
func every(t *testing.T, cfg ServerConfig) *Server {
	t.Helper()
	cfg.Address, cfg.Log = "127.0.0.1:0", slog.New(slog.DiscardHandler)
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := s.Registrar()
	blueprintv1.RegisterProducerServiceServer(r, blueprintv1.UnimplementedProducerServiceServer{})
	blueprintv1.RegisterAdminServiceServer(r, blueprintv1.UnimplementedAdminServiceServer{})
	bundlerv1.RegisterPeerServiceServer(r, bundlerv1.UnimplementedPeerServiceServer{})
	dkgv1.RegisterCeremonyServiceServer(r, dkgv1.UnimplementedCeremonyServiceServer{})
	dsnv1.RegisterSequencerServiceServer(r, dsnv1.UnimplementedSequencerServiceServer{})
	gatewayv1.RegisterGatewayServiceServer(r, gatewayv1.UnimplementedGatewayServiceServer{})
	keyholderv1.RegisterKeyholderServiceServer(r, keyholderv1.UnimplementedKeyholderServiceServer{})
	preblockv1.RegisterMonitorServiceServer(r, preblockv1.UnimplementedMonitorServiceServer{})
	proposalv1.RegisterProposerServiceServer(r, proposalv1.UnimplementedProposerServiceServer{})
	replicationv1.RegisterReplicationServiceServer(r, replicationv1.UnimplementedReplicationServiceServer{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// methods are those that a server serves, and whether each is a stream.
func methods(s *Server) map[string]bool {
	out := map[string]bool{}
	for service, info := range s.grpc.GetServiceInfo() {
		for _, m := range info.Methods {
			out[fmt.Sprintf("/%s/%s", service, m.Name)] = m.IsClientStream || m.IsServerStream
		}
	}
	return out
}

// call calls a method with an empty message.
func call(ctx context.Context, conn *grpc.ClientConn, method string, stream bool) codes.Code {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if !stream {
		return status.Code(conn.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{}))
	}
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err == nil {
		_ = s.SendMsg(&emptypb.Empty{}) // Recv says why
		_ = s.CloseSend()
		err = s.RecvMsg(&emptypb.Empty{})
	}
	return status.Code(err)
}

// byRole is a connection with a certificate of each common name.
func byRole(t *testing.T, a *certstest.Authority, address string, names []string) map[string]*grpc.ClientConn {
	t.Helper()
	out := map[string]*grpc.ClientConn{}
	for _, name := range names {
		files, err := a.Write(t.TempDir(), name, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if out[name], err = Dial(address, files); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { out[name].Close() })
	}
	return out
}

// TestEveryRoleMayCallWhatTheTableSaysAndNothingElse is the whole matrix over mutual TLS: every RPC of the contracts × every role.
func TestEveryRoleMayCallWhatTheTableSaysAndNothingElse(t *testing.T) {
	a := authority(t)
	files, err := a.Write(t.TempDir(), "server", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	refused := Refusals()
	s := every(t, ServerConfig{TLS: files, Refused: refused})
	names := []string{
		"api-gw", "bundler", "monitor-svc", "producer-observer", "producer-svc", "proposer-svc", "sequencer", "keyholder-2", "operator", "client-x",
		"stranger",
	}
	conns := byRole(t, a, s.Addr(), names)
	served, expected := methods(s), map[[2]string]float64{}
	for _, method := range roles.Methods() {
		if _, ok := served[method]; !ok && method[0] == '/' {
			t.Errorf("%s is not served here", method)
		}
	}
	for method, stream := range served {
		for _, name := range names {
			role := roles.Of(name)
			got := call(t.Context(), conns[name], method, stream)
			if roles.May(role, method) == (got == codes.PermissionDenied) {
				t.Errorf("%s calls %s: %s", name, method, got)
			}
			if got == codes.PermissionDenied {
				expected[[2]string{method, string(role)}]++
			}
		}
	}
	for labels, n := range expected {
		if got := testutil.ToFloat64(refused.WithLabelValues(labels[0], labels[1])); got != n {
			t.Errorf("refused for %v: counted %v of %v", labels, got, n)
		}
	}
	if len(served) < 40 || len(expected) < 250 {
		t.Errorf("%d methods, %d refusals", len(served), len(expected))
	}
}

// TestWithoutTLSACallerIsLocalAndMayCallEverything: that is why such a server listens on loopback alone.
func TestWithoutTLSACallerIsLocalAndMayCallEverything(t *testing.T) {
	s := every(t, ServerConfig{})
	conn, err := Dial(s.Addr(), config.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for method, stream := range methods(s) {
		if got := call(t.Context(), conn, method, stream); got == codes.PermissionDenied {
			t.Errorf("%s: %s", method, got)
		}
	}
}

// TestAServerOfAnotherRoleIsNotBelieved: whoever writes Redis, or DNS, can name another server of the authority.
func TestAServerOfAnotherRoleIsNotBelieved(t *testing.T) {
	a := authority(t)
	own, err := a.Write(t.TempDir(), "api-gw", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	source, err := certs.Open(own)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]codes.Code{"producer-svc": codes.Unimplemented, "producer-observer": codes.Unavailable, "bundler": codes.Unavailable, "api-gw": codes.Unavailable} {
		files, err := a.Write(t.TempDir(), name, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		s := every(t, ServerConfig{TLS: files})
		conn, err := DialRole(s.Addr(), roles.Producer, source)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := call(t.Context(), conn, blueprintv1.ProducerService_ProduceBlock_FullMethodName, false); got != want {
			t.Errorf("%s answers as a producer: %s, want %s", name, got, want)
		}
	}
}

// TestAStreamGoesOnWhileCertificatesAreExchanged: first the new authority is trusted besides the old one, then the
// certificates are exchanged, then the old authority is trusted no more.
func TestAStreamGoesOnWhileCertificatesAreExchanged(t *testing.T) {
	before, after := authority(t), authority(t)
	server, caller := t.TempDir(), t.TempDir()
	files, err := before.Write(server, "monitor-svc", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := before.Write(caller, "producer-svc", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := start(t, files, nil)
	stream, err := client(t, addr, mine).StreamPreblocks(t.Context(), &preblockv1.StreamPreblocksRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { _, err := stream.Recv(); ended <- err }()

	for _, dir := range []string{server, caller} {
		if err := certstest.Trust(dir, before, after); err != nil {
			t.Fatal(err)
		}
	}
	for dir, name := range map[string]string{server: "monitor-svc", caller: "producer-svc"} {
		if _, err := after.Write(dir, name, time.Hour, before); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{server, caller} {
		if err := certstest.Trust(dir, after); err != nil {
			t.Fatal(err)
		}
	}
	// Who has a certificate of the old authority alone is refused as soon as the server has looked.
	old, err := before.Write(t.TempDir(), "producer-svc", time.Hour, after)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for _, is := range []struct {
		who    string
		files  config.TLS
		accept bool
	}{{"the old", old, false}, {"the new", mine, true}} {
		for {
			conn, err := Dial(addr, is.files)
			if err != nil {
				t.Fatal(err)
			}
			got := call(t.Context(), conn, preblockv1.MonitorService_GetPreblock_FullMethodName, false)
			conn.Close()
			if (got != codes.Unavailable) == is.accept {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("with %s certificate: %s", is.who, got)
			}
		}
	}
	select {
	case err := <-ended:
		t.Errorf("the stream ended: %v", err)
	default:
	}
}

// TestAConnectionThatDoesNotSayWhoItIsIsClosed, with and without TLS: a stranger would otherwise hold it for two minutes.
func TestAConnectionThatDoesNotSayWhoItIsIsClosed(t *testing.T) {
	t.Parallel()
	files, err := authority(t).Write(t.TempDir(), "keyholder-0", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, tls := range map[string]config.TLS{"plain text": {}, "TLS": files} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := every(t, ServerConfig{TLS: tls})
			conn, err := net.Dial("tcp", s.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetReadDeadline(time.Now().Add(3 * handshakeTimeout)); err != nil {
				t.Fatal(err)
			}
			for err == nil {
				_, err = conn.Read(make([]byte, 64)) // a server of plain text says its settings first
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("it is still open")
			}
		})
	}
}

func authority(t *testing.T) *certstest.Authority {
	t.Helper()
	a, err := certstest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return a
}
