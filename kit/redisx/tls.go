package redisx

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strings"
)

// secured is the TLS of a scheme; nil for plain text.
func secured(scheme, caFile string) (*tls.Config, error) {
	if !strings.HasPrefix(scheme, "rediss") {
		if caFile != "" {
			return nil, fmt.Errorf("%w: --redis-ca needs TLS, which rediss:// and rediss+sentinel:// have", ErrURL)
		}
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return cfg, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("read the authority of Redis: %w", err)
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read the authority of Redis: no certificate in %s", caFile)
	}
	return cfg, nil
}

// hostOf is the name that certificates are checked for: sentinels answer with addresses of masters, which certificates seldom
// carry.
func hostOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}
