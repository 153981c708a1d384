package secrets

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// validFor is how long a development certificate is good. A cluster that lives on has its certificates from an issuer that
// renews them.
const validFor = 365 * 24 * time.Hour

// authority signs certificates; its key is in no Secret, and gone when Make returns.
type authority struct {
	certificate *x509.Certificate
	pem         []byte
	key         *ecdsa.PrivateKey
}

func newAuthority(now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "blindseq"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validFor),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	return &authority{certificate: parsed, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key: key}, err
}

// issue makes a certificate for a service: for calling others, and for being called under the names of its Services, and of each pod
// behind them.
func (a *authority) issue(service string, called []string, namespace string, serial int64) (certificate, key []byte, err error) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, name := range called {
		for _, suffix := range []string{"", "." + namespace, "." + namespace + ".svc", "." + namespace + ".svc.cluster.local"} {
			names = append(names, name+suffix, "*."+name+suffix)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: service}, DNSNames: names,
		NotBefore: a.certificate.NotBefore, NotAfter: a.certificate.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.certificate, own.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(own)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), err
}

// certificates makes a Secret of each service, laid out as cert-manager does.
func (m *maker) certificates() error {
	a, err := newAuthority(time.Now())
	if err != nil {
		return err
	}
	// The operator's is for a person, and no pod has it.
	services := []string{"api-gw", "bundler", "monitor-svc", "operator", "producer-observer", "producer-svc", "proposer-svc", "sequencer"}
	for i := range m.o.Keyholders {
		services = append(services, fmt.Sprintf("keyholder-%d", i))
	}
	for i, service := range services {
		names := []string{m.o.Prefix + service}
		if service == "bundler" {
			names = append(names, m.bundlers()...) // each has a Service of its own
		}
		certificate, key, err := a.issue(service, names, m.o.Namespace, int64(i)+2)
		if err != nil {
			return fmt.Errorf("certificate of %s: %w", service, err)
		}
		m.secret(service+"-tls", map[string][]byte{"tls.crt": certificate, "tls.key": key, "ca.crt": a.pem})
	}
	return nil
}
