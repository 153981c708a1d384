// Package secrets creates the Secrets that a cluster needs: the key that signs blueprints, the gateway's token, the bundlers'
// key, for development the keys of a whole committee, and certificates for mutual TLS. The names of the Secrets and of their
// entries are those that the manifests mount.
package secrets

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"blindseq/dsn-node/offline/keygen"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Options says what to make.
type Options struct {
	Namespace  string
	Prefix     string // of all names: that of a Helm release
	Keyholders int    // with keys of a dealer; 0 when each keyholder has made its own
	ChainID    uint64
	TLS        bool
}

// Make makes a new set. Do not replace existing Secrets with it: chains and sealed transactions depend on them.
func Make(o Options) (*corev1.List, error) {
	m := maker{o: o}
	err := errors.Join(m.sequencerKey(), m.committee())
	if err == nil && o.TLS {
		err = m.certificates()
	}
	if err != nil {
		return nil, fmt.Errorf("make secrets: %w", err)
	}
	return &corev1.List{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "List"}, Items: m.items}, nil
}

type maker struct {
	o     Options
	items []runtime.RawExtension
}

func (m *maker) add(o runtime.Object) { m.items = append(m.items, runtime.RawExtension{Object: o}) }

func (m *maker) secret(name string, data map[string][]byte) {
	m.add(&corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: m.meta(name), Type: corev1.SecretTypeOpaque, Data: data,
	})
}

func (m *maker) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: m.o.Prefix + name, Namespace: m.o.Namespace, Labels: map[string]string{"app.kubernetes.io/part-of": "blindseq"}}
}

func (m *maker) sequencerKey() error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err == nil {
		m.secret("sequencer-key", map[string][]byte{"sequencer.key": hex.AppendEncode(nil, key.Seed())})
	}
	return err
}

// committee makes the keys as `dsn-node keygen` does, in a folder that is gone afterwards.
func (m *maker) committee() error {
	dir, err := os.MkdirTemp("", "blindseq-secrets-")
	if err != nil {
		return err
	}
	files, err := keygen.Run(keygen.Config{
		Out: filepath.Join(dir, "keys"), Keyholders: max(m.o.Keyholders, 1), ChainID: max(m.o.ChainID, 1), FirstNumber: 1,
		Instances: m.bundlers(),
	})
	if err == nil {
		err = m.take(files)
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// relays is how many of the bundlers' pods are relays in a development cluster.
const relays = 8

// bundlers are the names of pods, each of which seals with a key of its own.
func (m *maker) bundlers() (names []string) {
	for i := range relays {
		names = append(names, fmt.Sprintf("%sbundler-%d", m.o.Prefix, i))
	}
	return names
}

func (m *maker) take(f *keygen.Files) error {
	bundler, err := os.ReadFile(f.Bundler)
	token, errToken := os.ReadFile(f.Token)
	if err := errors.Join(err, errToken); err != nil {
		return err
	}
	m.secret("api-token", map[string][]byte{"token": token})
	m.secret("bundler-identity", map[string][]byte{"bundler.identity": bundler})
	if m.o.Keyholders == 0 {
		return nil
	}
	sequencer, err := os.ReadFile(f.Sequencer)
	if err != nil {
		return err
	}
	m.secret("sequencer-identity", map[string][]byte{"sequencer.identity": sequencer})
	for i := range f.Shares {
		share, errShare := os.ReadFile(f.Shares[i])
		identity, errIdentity := os.ReadFile(f.Identities[i])
		if err := errors.Join(errShare, errIdentity); err != nil {
			return err
		}
		m.secret(fmt.Sprintf("keyholder-%d-keys", i), map[string][]byte{"share.json": share, "identity.key": identity})
	}
	public, err := os.ReadFile(f.Committee)
	if err != nil {
		return err
	}
	m.add(&corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: m.meta("committee"), Data: map[string]string{"committee.json": string(public)},
	})
	return nil
}
