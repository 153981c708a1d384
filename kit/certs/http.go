package certs

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"

	"blindseq/kit/roles"
)

// DialTLS is for http.Transport.DialTLSContext: it connects to servers of these roles, under any name.
func (s *Source) DialTLS(dial func(ctx context.Context, network, address string) (net.Conn, error), is ...roles.Role) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		secure := tls.Client(conn, s.Client("", is...))
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return secure, nil
	}
}

// Guard lets those through that may call what a request asks for. refused is called for each other.
func Guard(method func(*http.Request) string, refused func(method string, role roles.Role), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, role := method(r), RoleOf(r.TLS)
		if !roles.May(role, asked) {
			refused(asked, role)
			http.Error(w, "role "+string(role)+" may not call this; the role follows from the common name of the certificate", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
