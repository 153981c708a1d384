package grpckit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"

	"blindseq/kit/certs"
	"blindseq/kit/config"
	"blindseq/kit/roles"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
)

// open reads the files of a TLS, if there are any.
func open(files config.TLS) (*certs.Source, error) {
	if !files.On() {
		return nil, nil
	}
	return certs.Open(files)
}

func serverCredentials(s *certs.Source) credentials.TransportCredentials {
	if s == nil {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(s.Server("h2"))
}

func clientCredentials(s *certs.Source, is []roles.Role) credentials.TransportCredentials {
	if s == nil {
		return insecure.NewCredentials()
	}
	return &tlsClient{TransportCredentials: credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS13}), source: s, is: is}
}

// tlsClient makes each connection with the certificate and the authorities of that time.
type tlsClient struct {
	credentials.TransportCredentials // for what does not concern a handshake
	source                           *certs.Source
	is                               []roles.Role
}

func (c *tlsClient) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	name, _, err := net.SplitHostPort(authority)
	if err != nil {
		name = authority
	}
	return credentials.NewTLS(c.source.Client(name, c.is...)).ClientHandshake(ctx, authority, conn)
}

func (c *tlsClient) Clone() credentials.TransportCredentials {
	return &tlsClient{TransportCredentials: c.TransportCredentials.Clone(), source: c.source, is: c.is}
}

// roleOf is the role of a call's caller.
func roleOf(ctx context.Context) roles.Role {
	state, ok := tlsOf(ctx)
	if !ok {
		return roles.Local
	}
	return certs.RoleOf(&state)
}

func tlsOf(ctx context.Context) (state tls.ConnectionState, ok bool) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return state, false
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	return info.State, ok
}

// CertificateOf is the certificate of a call's caller; nil where the server has no TLS.
func CertificateOf(ctx context.Context) *x509.Certificate {
	state, ok := tlsOf(ctx)
	if !ok || len(state.PeerCertificates) == 0 {
		return nil
	}
	return state.PeerCertificates[0]
}
