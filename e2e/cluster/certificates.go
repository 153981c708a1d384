package cluster

import (
	"os"
	"path/filepath"
	"time"

	"blindseq/kit/certs/certstest"
	"blindseq/kit/config"
	"blindseq/kit/testaddr"
)

// operator is whose certificate the connections of the test have.
const operator = "operator"

// certificateLife is more than any test takes.
const certificateLife = 12 * time.Hour

// CertificateDir is where a process has its certificate; that of the test's connections is under "operator".
func (c *Cluster) CertificateDir(name string) string { return filepath.Join(c.dir, "tls", name) }

// CommonName is that of a process's certificate.
func (c *Cluster) CommonName(name string) string {
	switch {
	case name == DSN:
		return "sequencer"
	case isBundler(name):
		return Bundler
	case name == Observer || c.observes(name):
		return "producer-observer"
	}
	return c.role(name)
}

func (c *Cluster) observes(name string) bool {
	for _, r := range c.o.Replicas {
		if r.Name == name {
			return r.Observer
		}
	}
	return false
}

// Certified are those that have a certificate: the processes but Redis, and the test.
func (c *Cluster) Certified() []string { return append(c.Names(), operator) }

// certify makes the certificates, if there are any, and returns the test's.
func (c *Cluster) certify(space *testaddr.Space) (files config.TLS, err error) {
	if c.o.TLS == nil {
		return files, nil
	}
	c.o.TLS.Hosts = append(c.o.TLS.Hosts, space.Host, c.elsewhere)
	for _, name := range c.Certified() {
		if err := os.MkdirAll(c.CertificateDir(name), 0o700); err != nil {
			return files, err
		}
		if files, err = c.o.TLS.Write(c.CertificateDir(name), c.CommonName(name), certificateLife); err != nil {
			return files, err
		}
	}
	return files, nil
}

func (c *Cluster) tlsArgs(name string) []string {
	if c.o.TLS == nil {
		return nil
	}
	files := certstest.Layout(c.CertificateDir(name))
	return []string{"--tls-cert", files.Cert, "--tls-key", files.Key, "--tls-ca", files.CA}
}

// scheme is that of JSON-RPC between services.
func (c *Cluster) scheme() string {
	if c.o.TLS == nil {
		return "http"
	}
	return "https"
}
