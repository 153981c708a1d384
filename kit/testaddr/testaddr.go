// Package testaddr gives tests addresses to listen on that stay free while what listened there is started again: each is
// given once, and none is of the ports that the kernel takes for outgoing connections.
package testaddr

import (
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
)

// The ports below those that systems take for outgoing connections, and above those of services.
const firstPort, ports = 20_000, 12_000

// Space is the ports of one address of this machine. Its methods may be called from any goroutine.
type Space struct {
	Host string

	mu    sync.Mutex
	given map[string]bool
}

// On returns the space of a host, which other processes may use too.
func On(host string) *Space { return &Space{Host: host, given: map[string]bool{}} }

// New returns a space that no other process is likely to use: where the whole of 127.0.0.0/8 is this machine, one of its
// addresses.
func New() *Space {
	if runtime.GOOS != "linux" {
		return On("127.0.0.1")
	}
	return On(fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254)))
}

// Next returns an address (host:port) that it has not returned before and that has no listener.
func (s *Space) Next() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed error
	for range 100 {
		address := fmt.Sprintf("%s:%d", s.Host, firstPort+rand.IntN(ports))
		if s.given[address] {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			failed = err
			continue
		}
		s.given[address] = true
		return address, l.Close()
	}
	return "", fmt.Errorf("find a free port: %w", failed)
}

var shared = New()

// Next returns an address of a space that all tests of this process share.
func Next(t testing.TB) string {
	t.Helper()
	address, err := shared.Next()
	if err != nil {
		t.Fatal(err)
	}
	return address
}
