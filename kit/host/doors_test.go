package host_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"blindseq/kit/certs/certstest"
	"blindseq/kit/grpckit"
	"blindseq/kit/host"
)

// TestPlainTextForOtherMachinesIsRefusedUnlessTheOperatorSaysSo: whoever reaches such a listener may call everything.
func TestPlainTextForOtherMachinesIsRefusedUnlessTheOperatorSaysSo(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0"} {
		c := common()
		c.GRPCAddress = address
		h := host.New(t.Context(), c, quiet())
		_, err := h.GRPC(grpckit.ServerConfig{})
		if !errors.Is(err, host.ErrPlainText) || !strings.Contains(err.Error(), "--insecure") {
			t.Errorf("%s: %v", address, err)
		}
		if _, err := h.Door("json-rpc", address); !errors.Is(err, host.ErrPlainText) {
			t.Errorf("%s for HTTP: %v", address, err)
		}
		_ = h.Close()
	}
	c, log := common(), new(lines)
	c.GRPCAddress, c.Insecure = "0.0.0.0:0", true
	h := host.New(t.Context(), c, log.logger())
	server, err := h.GRPC(grpckit.ServerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	h.Add("grpc", server.Run)
	run(t, h)
	log.await(t, "other machines are served in plain text")
}

func TestATLSThatIsHalfConfiguredIsRefused(t *testing.T) {
	c := common()
	c.TLS.Key = "tls.key"
	h := host.New(t.Context(), c, quiet())
	defer h.Close()
	if _, err := h.GRPC(grpckit.ServerConfig{}); err == nil || !strings.Contains(err.Error(), "--tls-cert") {
		t.Errorf("got %v", err)
	}
}

// TestACertificateThatEndsIsNoticed in readiness, log and metric, and so is the next one.
func TestACertificateThatEndsIsNoticed(t *testing.T) {
	a, err := certstest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c, log := common(), new(lines)
	if c.TLS, err = a.Write(dir, "monitor-svc", -time.Minute); err != nil {
		t.Fatal(err)
	}
	h := host.New(t.Context(), c, log.logger())
	server, err := h.GRPC(grpckit.ServerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	h.Add("grpc", server.Run)
	if err := h.Ops(); err != nil {
		t.Fatal(err)
	}
	run(t, h)
	log.await(t, "certificate has ended")
	if text := get(t, h, "/readyz"); !strings.Contains(text, "the certificate ended at") {
		t.Errorf("readiness: %s", text)
	}
	if text := get(t, h, "/metrics"); !strings.Contains(text, "\nblindseq_certificate_seconds_left -6") {
		t.Error("the metric does not show it")
	}
	if _, err := a.Write(dir, "monitor-svc", time.Minute); err != nil {
		t.Fatal(err)
	}
	log.await(t, "certificate exchanged")
	log.await(t, "certificate ends soon")
	if text := get(t, h, "/readyz"); strings.Contains(text, "unavailable") || !strings.Contains(text, "it ends at") {
		t.Errorf("readiness: %s", text)
	}
}

// run runs a program until the test ends.
func run(t *testing.T, h *host.Host) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func get(t *testing.T, h *host.Host, path string) string {
	t.Helper()
	res, err := http.Get("http://" + h.OpsAddr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *lines) await(t *testing.T, message string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		l.mu.Lock()
		text := l.text.String()
		l.mu.Unlock()
		if strings.Contains(text, message) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log has no %q:\n%s", message, text)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
