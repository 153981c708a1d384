package kube

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Reach returns an address (host:port) at which a Service's port is reached from here until close is called: its cluster
// address where this machine has a way there, else a forwarded port. A forwarded port ends in one pod and breaks with it.
func (d *Deployment) Reach(ctx context.Context, service, port string) (address string, direct bool, closer io.Closer, err error) {
	var s corev1.Service
	if err := d.Get(ctx, &s, "service", service); err != nil {
		return "", false, nil, err
	}
	for _, p := range s.Spec.Ports {
		if p.Name != port {
			continue
		}
		address = net.JoinHostPort(s.Spec.ClusterIP, strconv.Itoa(int(p.Port)))
		if answers(ctx, address) {
			return address, true, io.NopCloser(nil), nil
		}
		address, closer, err = d.forward(ctx, service, int(p.Port))
		return address, false, closer, err
	}
	return "", false, nil, fmt.Errorf("service %s has no port %s", service, port)
}

func answers(ctx context.Context, address string) bool {
	dialer := net.Dialer{Timeout: 2 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

var forwarded = regexp.MustCompile(`^Forwarding from (127\.0\.0\.1:\d+)`)

func (d *Deployment) forward(ctx context.Context, service string, port int) (address string, _ io.Closer, err error) {
	cmd := exec.CommandContext(ctx, "kubectl", "--namespace", d.namespace, "port-forward", "--address", "127.0.0.1", "service/"+service, fmt.Sprintf(":%d", port))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("forward a port to %s: %w", service, err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := forwarded.FindStringSubmatch(lines.Text()); m != nil {
			go io.Copy(io.Discard, out) //nolint:errcheck // ends with the process
			return m[1], process{cmd}, nil
		}
	}
	return "", nil, errors.Join(fmt.Errorf("forward a port to %s: it said no address", service), process{cmd}.Close())
}

type process struct{ cmd *exec.Cmd }

func (p process) Close() error {
	err := p.cmd.Process.Kill()
	_ = p.cmd.Wait() // killed
	return err
}
