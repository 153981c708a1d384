// Package certstest makes certificates for tests.
package certstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"blindseq/kit/config"
)

// Authority signs certificates.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	PEM         []byte
	Hosts       []string // names and addresses that every certificate is for, besides localhost and 127.0.0.1
}

// NewAuthority makes an authority.
func NewAuthority() (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	return &Authority{certificate: parsed, key: key, PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, err
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		panic(err)
	}
	return n
}

// Issue makes a certificate for a common name.
func (a *Authority) Issue(commonName string, validFor time.Duration) (certificate, key []byte, err error) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	names, addresses := []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	for _, host := range a.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			addresses = append(addresses, ip)
		} else {
			names = append(names, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: commonName}, DNSNames: names,
		IPAddresses: addresses, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(validFor),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.certificate, own.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(own)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), err
}

// Layout names the three files of a directory.
func Layout(dir string) config.TLS {
	return config.TLS{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), CA: filepath.Join(dir, "ca.crt")}
}

// Write issues a certificate and puts it into a directory, with the authorities to trust: a, and others. What is there is
// replaced file by file, as an operator does it.
func (a *Authority) Write(dir, commonName string, validFor time.Duration, others ...*Authority) (config.TLS, error) {
	files := Layout(dir)
	certificate, key, err := a.Issue(commonName, validFor)
	if err != nil {
		return files, err
	}
	authorities := a.PEM
	for _, one := range others {
		authorities = append(authorities[:len(authorities):len(authorities)], one.PEM...)
	}
	for _, one := range []struct {
		name string
		text []byte
	}{{files.CA, authorities}, {files.Cert, certificate}, {files.Key, key}} {
		if err := replace(one.name, one.text); err != nil {
			return files, fmt.Errorf("write certificate of %s: %w", commonName, err)
		}
	}
	return files, nil
}

// Trust has a directory trust these authorities, and changes nothing else.
func Trust(dir string, authorities ...*Authority) error {
	var text []byte
	for _, one := range authorities {
		text = append(text, one.PEM...)
	}
	return replace(Layout(dir).CA, text)
}

func replace(name string, text []byte) error {
	if err := os.WriteFile(name+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
