package grpckit

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blindseq/kit/config"
	"blindseq/kit/ops"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

var errNotThere = errors.New("not there")

type monitor struct {
	preblockv1.UnimplementedMonitorServiceServer
}

func (monitor) GetPreblock(_ context.Context, r *preblockv1.GetPreblockRequest) (*preblockv1.GetPreblockResponse, error) {
	switch r.Number {
	case 0:
		panic("secret of the server")
	case 1:
		return nil, fmt.Errorf("get preblock 1: %w", errNotThere)
	case 2:
		return nil, errors.New("unforeseen")
	case 3:
		return nil, fmt.Errorf("read the log: %w", status.Error(codes.Unavailable, "disk away"))
	}
	return &preblockv1.GetPreblockResponse{}, nil
}

func (monitor) StreamPreblocks(_ *preblockv1.StreamPreblocksRequest, s preblockv1.MonitorService_StreamPreblocksServer) error {
	if err := s.Send(&preblockv1.StreamPreblocksResponse{}); err != nil {
		return err
	}
	<-s.Context().Done()
	return context.Cause(s.Context())
}

// start runs a server until the test ends, or until the returned function is called, which returns Run's error.
func start(t *testing.T, serverTLS config.TLS, h *ops.Health) (addr string, stop func() error) {
	t.Helper()
	s, err := NewServer(ServerConfig{
		Address: "127.0.0.1:0", TLS: serverTLS, Health: h, Registry: prometheus.NewRegistry(),
		Log: slog.New(slog.DiscardHandler), Errors: map[error]codes.Code{errNotThere: codes.NotFound},
	})
	if err != nil {
		t.Fatal(err)
	}
	preblockv1.RegisterMonitorServiceServer(s.Registrar(), monitor{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(cancel)
	return s.Addr(), func() error { cancel(); return <-done }
}

func client(t *testing.T, addr string, tls config.TLS) preblockv1.MonitorServiceClient {
	t.Helper()
	conn, err := Dial(addr, tls)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return preblockv1.NewMonitorServiceClient(conn)
}

func TestErrorsOfTheDomainGetTheirCode(t *testing.T) {
	addr, _ := start(t, config.TLS{}, nil)
	c := client(t, addr, config.TLS{})
	for number, want := range map[uint64]codes.Code{
		0: codes.Internal, 1: codes.NotFound, 2: codes.Internal, 3: codes.Unavailable, 4: codes.OK,
	} {
		_, err := c.GetPreblock(t.Context(), &preblockv1.GetPreblockRequest{Number: number})
		if status.Code(err) != want {
			t.Errorf("%d: got %v, want %s", number, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("a panic's text reached the client: %v", err)
		}
		if text := status.Convert(err).Message(); strings.Contains(text, "rpc error") {
			t.Errorf("a status is quoted in the text: %s", text)
		}
	}
}

func TestStopEndsOpenStreamsAtOnce(t *testing.T) {
	defer goleak.VerifyNone(t)
	addr, stop := start(t, config.TLS{}, nil)
	conn, err := Dial(addr, config.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := preblockv1.NewMonitorServiceClient(conn).StreamPreblocks(t.Context(), &preblockv1.StreamPreblocksRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took >= gracefulStop {
		t.Errorf("the stop waited %s for the stream", took)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("stream ended with %v", err)
	}
}

func TestHealthFollowsReadiness(t *testing.T) {
	h := ops.NewHealth()
	addr, _ := start(t, config.TLS{}, h)
	conn, err := Dial(addr, config.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for reason, want := range map[string]healthv1.HealthCheckResponse_ServingStatus{
		"redis away": healthv1.HealthCheckResponse_NOT_SERVING, "": healthv1.HealthCheckResponse_SERVING,
	} {
		h.Set("redis", reason)
		res, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
		if err != nil || res.Status != want {
			t.Errorf("reason %q: got %v, %v", reason, res, err)
		}
	}
}

func TestMutualTLSRefusesWhoHasNoCertificate(t *testing.T) {
	ours, theirs := certificate(t), certificate(t)
	addr, _ := start(t, ours, nil)
	if _, err := client(t, addr, ours).GetPreblock(t.Context(), &preblockv1.GetPreblockRequest{Number: 4}); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
	for name, tls := range map[string]config.TLS{"plain text": {}, "another authority": theirs} {
		if _, err := client(t, addr, tls).GetPreblock(t.Context(), &preblockv1.GetPreblockRequest{Number: 4}); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAKeyThatOthersCanReadIsRefused(t *testing.T) {
	tls := certificate(t)
	if err := os.Chmod(tls.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial("127.0.0.1:1", tls); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Fatalf("got %v", err)
	}
}

// certificate makes a self-signed certificate that is its own authority.
func certificate(t *testing.T) config.TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "producer-svc"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pair := write("cert.pem", "CERTIFICATE", cert)
	return config.TLS{Cert: pair, Key: write("key.pem", "PRIVATE KEY", private), CA: pair}
}
