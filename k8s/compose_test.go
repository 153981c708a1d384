package k8s

import (
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

func compose(t *testing.T) *types.Project {
	t.Helper()
	text, err := os.ReadFile("../docker-compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: "..", ConfigFiles: []types.ConfigFile{{Filename: "docker-compose.yaml", Content: text}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheComposeFileIsOneSystemOfTheSameImages(t *testing.T) {
	p := compose(t)
	if len(p.Services) != 13 {
		t.Errorf("it has %d services", len(p.Services))
	}
	for _, s := range p.Services {
		var out list
		out.unless(strings.HasPrefix(s.Image, "blindseq/") && strings.HasSuffix(s.Image, ":dev"), "image %s", s.Image)
		out = append(out, unbuilt(s)...)
		out.unless(s.ReadOnly && s.User == "65532:65532" && slices.Contains(s.CapDrop, "ALL"), "it may do more than it needs")
		for _, port := range s.Ports {
			out.unless(port.HostIP == "127.0.0.1", "port %s is open to others", port.Published)
		}
		for name, value := range s.Environment {
			if value == nil {
				out.unless(false, "%s comes from outside", name)
				continue
			}
			out = append(out, unreachable(p, s, name, *value)...)
		}
		report(t, s.Name, out)
	}
}

// unbuilt says why Docker alone cannot make the image of a service.
func unbuilt(s types.ServiceConfig) (out list) {
	if s.Build == nil {
		out.unless(false, "nothing builds %s", s.Image)
		return out
	}
	file := filepath.Join(s.Build.Context, s.Build.Dockerfile)
	_, err := os.Stat(file)
	out.unless(err == nil, "its Dockerfile: %v", err)
	program := imageName(s.Image)
	if program == "redis" {
		return out
	}
	service := s.Build.Args["SERVICE"]
	out.unless(service != nil && *service == program, "the image %s is built of another program", s.Image)
	_, err = os.Stat(filepath.Join(s.Build.Context, program, "cmd", program))
	out.unless(err == nil, "its program: %v", err)
	return out
}

// unreachable says what is wrong with a value that names other services or files.
func unreachable(p *types.Project, s types.ServiceConfig, name, value string) (out list) {
	if strings.HasPrefix(value, "/") {
		mounted := slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == path.Dir(value) })
		out.unless(mounted, "%s: nothing is mounted at %s", name, path.Dir(value))
		return out
	}
	if strings.HasSuffix(name, "_ADDRESS") || name == "BLINDSEQ_ADVERTISE" || name == "BLINDSEQ_INSECURE" || name == "BLINDSEQ_DEV_GENESIS" {
		return nil
	}
	if name == trustedProxies {
		out.unless(areNetworks(value), "%s: %q are no networks", name, value)
		return out
	}
	if _, rest, ok := strings.Cut(value, "://"); ok {
		value, _, _ = strings.Cut(rest, "/")
	}
	for address := range strings.SplitSeq(value, ",") {
		host, port, err := net.SplitHostPort(address)
		out.unless(err == nil, "%s: %q is no address", name, address)
		to, ok := p.Services[host]
		out.unless(ok && listens(to, port), "%s: %s does not listen on %s", name, host, port)
	}
	return out
}

// A client behind a proxy on the machine is told from others.
func TestTheComposeFileTrustsProxiesOnItsMachine(t *testing.T) {
	p := compose(t)
	for _, name := range []string{"api-gw", "bundler"} {
		if networks := p.Services[name].Environment[trustedProxies]; networks == nil {
			t.Errorf("%s takes all that come through a proxy for one client", name)
		}
	}
}

func listens(s types.ServiceConfig, port string) bool {
	if slices.Contains(s.Command, port) {
		return true // Redis
	}
	for name, value := range s.Environment {
		if strings.HasSuffix(name, "_ADDRESS") && value != nil && strings.HasSuffix(*value, ":"+port) {
			return true
		}
	}
	return false
}
