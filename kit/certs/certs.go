// Package certs is mutual TLS between the processes of the system: who the other side is follows from its certificate.
//
// It guarantees: the files are read again when they change, so certificate, key and authority can be exchanged while the
// process runs; a connection under way is not disturbed; files that do not fit together are not used, and the last ones that
// did stay. It asks of callers: have Look called from time to time by whoever reports to an operator.
package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"blindseq/kit/config"
	"blindseq/kit/roles"
	"blindseq/kit/secretfile"
)

// lookEvery is how old what was read of the files may be.
const lookEvery = time.Second

// maxFile bounds what is read of a file.
const maxFile = 1 << 20

// ErrRole is a server whose certificate is that of another role than the one that was called.
var ErrRole = errors.New("the server's certificate is not that of the service that was called")

// Source has the certificate of this process and the authority of all.
type Source struct {
	files config.TLS

	mu     sync.Mutex
	looked time.Time
	read   [3][]byte // certificate, key and authority as they were last read
	now    *material
	seen   *material // by the last Look
	failed error     // why what is in the files now is not used
}

// material is what one state of the files makes.
type material struct {
	pair tls.Certificate
	pool *x509.CertPool
	ends time.Time // the earliest end of the certificate and those that its chain needs
	from time.Time
}

// Open reads the files.
func Open(files config.TLS) (*Source, error) {
	s := &Source{files: files}
	if err := s.look(); err != nil {
		return nil, err
	}
	return s, nil
}

// State is what an operator should know of the certificate.
type State struct {
	From, Ends time.Time
	// Failed is why the files as they are now are not used; nil when they are.
	Failed error
	// Changed says that the files were exchanged since the last Look.
	Changed bool
}

// Look reads the files, if they have changed, and returns their state.
func (s *Source) Look() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = s.look()
	changed := s.seen != nil && s.seen != s.now
	s.seen = s.now
	return State{From: s.now.from, Ends: s.now.ends, Failed: s.failed, Changed: changed}
}

// current is what is used now.
func (s *Source) current() *material {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.looked) >= lookEvery {
		s.failed = s.look()
	}
	return s.now
}

// look is called with the lock, or by Open.
func (s *Source) look() error {
	s.looked = time.Now()
	var read [3][]byte
	for i, file := range []string{s.files.Cert, s.files.Key, s.files.CA} {
		var err error
		if read[i], err = readFile(file, i == 1); err != nil {
			return fmt.Errorf("read TLS file %s: %w", file, err)
		}
	}
	if s.now != nil && s.failed == nil && equal(read, s.read) {
		return nil
	}
	m, err := s.parse(read)
	if err != nil {
		return err
	}
	s.read, s.now = read, m
	return nil
}

func equal(a, b [3][]byte) bool {
	return bytes.Equal(a[0], b[0]) && bytes.Equal(a[1], b[1]) && bytes.Equal(a[2], b[2])
}

func readFile(name string, secret bool) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if secret {
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		if err := secretfile.Check(info); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

func (s *Source) parse(read [3][]byte) (*material, error) {
	pair, err := tls.X509KeyPair(read[0], read[1])
	if err != nil {
		return nil, fmt.Errorf("read TLS certificate %s: %w", s.files.Cert, err)
	}
	m := &material{pair: pair, pool: x509.NewCertPool(), from: pair.Leaf.NotBefore, ends: pair.Leaf.NotAfter}
	if !m.pool.AppendCertsFromPEM(read[2]) {
		return nil, fmt.Errorf("read TLS authority %s: it has no certificate", s.files.CA)
	}
	m.end()
	return m, nil
}

// end sets the earliest end of the chain with which others verify the certificate.
func (m *material) end() {
	o := x509.VerifyOptions{Roots: m.pool, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	for _, der := range m.pair.Certificate[1:] {
		if issuer, err := x509.ParseCertificate(der); err == nil {
			o.Intermediates.AddCert(issuer)
		}
	}
	chains, err := m.pair.Leaf.Verify(o)
	if err != nil {
		return // it has ended, or others trust an authority that this process does not
	}
	for _, one := range chains[0] {
		if one.NotAfter.Before(m.ends) {
			m.ends = one.NotAfter
		}
	}
}

// Server has every client of a protocol (h2, http/1.1) show a certificate of the authority. That of a nil Source is nil: plain text.
func (s *Source) Server(protocol string) *tls.Config {
	if s == nil {
		return nil
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			m := s.current()
			return &tls.Config{
				MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{m.pair}, NextProtos: []string{protocol},
				ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: m.pool, SessionTicketsDisabled: true,
			}, nil
		},
	}
}

// Client is for one connection to a server: its certificate must be of the authority, of one of the roles, unless there are
// none, and for the name, unless that is empty. A name that whoever writes Redis chose proves nothing: there the role does.
func (s *Source) Client(name string, is ...roles.Role) *tls.Config {
	m := s.current()
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{m.pair}, ServerName: name,
		InsecureSkipVerify: true, // VerifyConnection does it, with or without a name
		VerifyConnection: func(c tls.ConnectionState) error {
			return verify(c, x509.VerifyOptions{Roots: m.pool, DNSName: name, Intermediates: x509.NewCertPool()}, is)
		},
	}
}

func verify(c tls.ConnectionState, o x509.VerifyOptions, is []roles.Role) error {
	leaf := c.PeerCertificates[0]
	for _, one := range c.PeerCertificates[1:] {
		o.Intermediates.AddCert(one)
	}
	if _, err := leaf.Verify(o); err != nil {
		return err
	}
	role := roles.Of(leaf.Subject.CommonName)
	for _, one := range is {
		if one == role {
			return nil
		}
	}
	if len(is) == 0 {
		return nil
	}
	return fmt.Errorf("%w: its common name is %q, called was %q", ErrRole, leaf.Subject.CommonName, is)
}

// RoleOf is the role of the other side of a connection. Without TLS it is Local.
func RoleOf(c *tls.ConnectionState) roles.Role {
	switch {
	case c == nil:
		return roles.Local
	case len(c.PeerCertificates) == 0:
		return roles.None
	}
	return roles.Of(c.PeerCertificates[0].Subject.CommonName)
}
