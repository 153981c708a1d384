package redisx

import (
	"crypto/tls"
	"net"
)

// sentinelTLS checks the certificate for the name in the URL: sentinels answer with addresses of masters, which
// certificates seldom carry.
func sentinelTLS(addr string) *tls.Config {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	return &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
}
