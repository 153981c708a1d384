package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// ports are the addresses a process may use; which of them it does is its command line's matter.
type ports struct{ grpc, http, rpc, rest string }

// allocator hands out addresses, each once.
type allocator map[string]bool

func (a allocator) ports() (p ports, err error) {
	for _, addr := range []*string{&p.grpc, &p.http, &p.rpc, &p.rest} {
		if *addr, err = a.address(); err != nil {
			return p, err
		}
	}
	return p, nil
}

// address finds a free port below the range from which the kernel takes those of outgoing connections: a port in that
// range could be gone when a killed process wants it again.
func (a allocator) address() (string, error) {
	var failed error
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000))
		if a[addr] {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			failed = err
			continue
		}
		a[addr] = true
		return addr, l.Close()
	}
	return "", errors.Join(errors.New("find a free port"), failed)
}
