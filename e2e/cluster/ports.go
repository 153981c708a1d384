package cluster

import "blindseq/kit/testaddr"

// ports are the addresses a process may use; which of them it does is its command line's matter. Each cluster has a space
// of its own, so clusters that run at the same time never take each other's ports while a process is being started again.
type ports struct{ grpc, http, rpc, rest, steps string }

func nextPorts(space *testaddr.Space) (p ports, err error) {
	for _, address := range []*string{&p.grpc, &p.http, &p.rpc, &p.rest, &p.steps} {
		if *address, err = space.Next(); err != nil {
			return p, err
		}
	}
	return p, nil
}
