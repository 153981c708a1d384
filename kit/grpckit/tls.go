package grpckit

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"blindseq/kit/config"
	"blindseq/kit/secretfile"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

func serverCredentials(cfg config.TLS) (grpc.ServerOption, error) {
	if !cfg.On() {
		return grpc.Creds(insecure.NewCredentials()), nil
	}
	pair, pool, err := load(cfg)
	if err != nil {
		return nil, err
	}
	return grpc.Creds(credentials.NewTLS(&tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    pool,
	})), nil
}

func clientCredentials(cfg config.TLS) (grpc.DialOption, error) {
	if !cfg.On() {
		return grpc.WithTransportCredentials(insecure.NewCredentials()), nil
	}
	pair, pool, err := load(cfg)
	if err != nil {
		return nil, err
	}
	return grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{pair},
		RootCAs:      pool,
	})), nil
}

func load(cfg config.TLS) (tls.Certificate, *x509.CertPool, error) {
	info, err := os.Stat(cfg.Key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("read TLS key: %w", err)
	}
	if err := secretfile.Check(info); err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("read TLS key %s: %w", cfg.Key, err)
	}
	pair, err := tls.LoadX509KeyPair(cfg.Cert, cfg.Key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("read TLS certificate: %w", err)
	}
	ca, err := os.ReadFile(cfg.CA)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("read TLS authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return tls.Certificate{}, nil, errors.New("read TLS authority: no certificate in " + cfg.CA)
	}
	return pair, pool, nil
}
