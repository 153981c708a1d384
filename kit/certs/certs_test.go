package certs_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"blindseq/kit/certs"
	"blindseq/kit/certs/certstest"
	"blindseq/kit/config"
	"blindseq/kit/roles"
)

func authority(t *testing.T) *certstest.Authority {
	t.Helper()
	a, err := certstest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func write(t *testing.T, a *certstest.Authority, dir, name string, validFor time.Duration) config.TLS {
	t.Helper()
	files, err := a.Write(dir, name, validFor)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func open(t *testing.T, files config.TLS) *certs.Source {
	t.Helper()
	s, err := certs.Open(files)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAKeyThatOthersCanReadIsRefused(t *testing.T) {
	files := write(t, authority(t), t.TempDir(), "producer-svc", time.Hour)
	if err := os.Chmod(files.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := certs.Open(files); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("got %v", err)
	}
}

// TestFilesThatDoNotFitTogetherAreNotUsed: that is what a process sees in the middle of an exchange, file by file.
func TestFilesThatDoNotFitTogetherAreNotUsed(t *testing.T) {
	a := authority(t)
	dir := t.TempDir()
	files := write(t, a, dir, "producer-svc", time.Hour)
	s := open(t, files)
	first := s.Look()
	certificate, key, err := a.Issue("producer-svc", 2*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files.Cert, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	if st := s.Look(); st.Failed == nil || st.Changed || !st.Ends.Equal(first.Ends) {
		t.Errorf("with the certificate alone: %+v", st)
	}
	if err := os.WriteFile(files.Key, key, 0o600); err != nil {
		t.Fatal(err)
	}
	if st := s.Look(); st.Failed != nil || !st.Changed || !st.Ends.After(first.Ends) {
		t.Errorf("with its key: %+v", st)
	}
	if err := os.Remove(files.CA); err != nil {
		t.Fatal(err)
	}
	if st := s.Look(); st.Failed == nil || st.Changed {
		t.Errorf("without the authority: %+v", st)
	}
}

// guarded is an HTTPS server that only the gateway may ask.
func guarded(t *testing.T, s *certs.Source) (address string, refused *[]string) {
	t.Helper()
	refused = new([]string)
	h := certs.Guard(func(*http.Request) string { return roles.ProducerRPC },
		func(method string, role roles.Role) { *refused = append(*refused, method+" "+string(role)) },
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "served") }))
	server := httptest.NewUnstartedServer(h)
	server.TLS = s.Server("http/1.1")
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), refused
}

func get(t *testing.T, s *certs.Source, address string, server roles.Role) (int, error) {
	t.Helper()
	transport := &http.Transport{DialTLSContext: s.DialTLS(new(net.Dialer).DialContext, server)}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get("https://" + address + "/")
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	return res.StatusCode, nil
}

func TestJSONRPCIsForThoseThatTheTableNamesAndOfTheRoleThatIsCalled(t *testing.T) {
	a := authority(t)
	address, refused := guarded(t, open(t, write(t, a, t.TempDir(), "producer-svc", time.Hour)))
	gateway, proposer := open(t, write(t, a, t.TempDir(), "api-gw", time.Hour)), open(t, write(t, a, t.TempDir(), "proposer-svc", time.Hour))
	if code, err := get(t, gateway, address, roles.Producer); err != nil || code != http.StatusOK {
		t.Errorf("the gateway: %d, %v", code, err)
	}
	if code, err := get(t, proposer, address, roles.Producer); err != nil || code != http.StatusForbidden || len(*refused) != 1 {
		t.Errorf("the proposer: %d, %v, refused %q", code, err, *refused)
	}
	if code, err := get(t, gateway, address, roles.Observer); err == nil || !strings.Contains(err.Error(), certs.ErrRole.Error()) {
		t.Errorf("a producer answers as an observer: %d, %v", code, err)
	}
	stranger := open(t, write(t, authority(t), t.TempDir(), "api-gw", time.Hour))
	if code, err := get(t, stranger, address, roles.Producer); err == nil {
		t.Errorf("a certificate of another authority: %d", code)
	}
	if res, err := (&http.Client{Timeout: time.Second}).Get("http://" + address + "/"); err == nil && res.StatusCode == http.StatusOK {
		t.Error("it answers in plain text")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	conn, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(ctx, "tcp", address)
	if err == nil { // with TLS 1.3 the refusal comes with the first read
		defer conn.Close()
		if _, err = conn.Read(make([]byte, 1)); err == nil {
			t.Error("it answers a caller without a certificate")
		}
	}
}
