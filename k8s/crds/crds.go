// Package crds finds the definitions of the kinds of others that the components use: of the Gateway API, cert-manager and the External
// Secrets Operator. They come with the Go modules of those who define them, which the go command brings into its cache.
package crds

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// sources are modules, and the files in them.
func sources() map[string][]string {
	return map[string][]string{
		"sigs.k8s.io/gateway-api@v1.6.3": {
			"config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
			"config/crd/standard/gateway.networking.k8s.io_grpcroutes.yaml",
			"config/crd/standard/gateway.networking.k8s.io_tlsroutes.yaml",
		},
		"github.com/cert-manager/cert-manager@v1.21.2": {
			"deploy/crds/cert-manager.io_certificates.yaml",
			"deploy/crds/cert-manager.io_issuers.yaml",
		},
		"github.com/external-secrets/external-secrets@v1.3.2": {
			"config/crds/bases/external-secrets.io_externalsecrets.yaml",
		},
	}
}

// Files are the paths of the definitions. Without the network they are those in the cache; an error says that some cannot be had.
func Files(ctx context.Context) (files []string, err error) {
	for module, names := range sources() {
		dir, err := download(ctx, module)
		if err != nil {
			return nil, fmt.Errorf("get the definitions of %s: %w", module, err)
		}
		for _, name := range names {
			files = append(files, filepath.Join(dir, name))
		}
	}
	return files, nil
}

func download(ctx context.Context, module string) (dir string, err error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	cmd.Dir = os.TempDir() // of no module
	out, failed := cmd.Output()
	var got struct{ Dir, Error string }
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&got); err != nil {
		return "", fmt.Errorf("%w: %w", failed, err)
	}
	if failed != nil || got.Error != "" {
		return "", fmt.Errorf("%s", got.Error)
	}
	return got.Dir, nil
}
