package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// ports are the addresses a process may use; which of them it does is its command line's matter.
type ports struct{ grpc, http, rpc, rest, steps string }

// allocator hands out addresses, each once, on a loopback address of its own: so clusters that run at the same time never
// take each other's ports while a process is being started again.
type allocator struct {
	host  string
	given map[string]bool
}

func newAllocator() allocator {
	return allocator{host: fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254)), given: map[string]bool{}}
}

func (a allocator) ports() (p ports, err error) {
	for _, addr := range []*string{&p.grpc, &p.http, &p.rpc, &p.rest, &p.steps} {
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
		addr := fmt.Sprintf("%s:%d", a.host, 20000+rand.IntN(12000))
		if a.given[addr] {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			failed = err
			continue
		}
		a.given[addr] = true
		return addr, l.Close()
	}
	return "", errors.Join(errors.New("find a free port"), failed)
}
