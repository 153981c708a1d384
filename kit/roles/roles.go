// Package roles says who may call what: the table of RPC × role, in one file, with nothing allowed that it does not name.
//
// A caller's role follows from the common name of its certificate, which is the name of its service, as in etcd and Kubernetes.
// A server without TLS serves this machine alone, or was told to trust its network (--insecure): its callers are Local.
package roles

import (
	"slices"
	"strings"
)

// Role is what a caller is to the system.
type Role string

// The roles. Client is a program outside that uses the gateway's gRPC or a producer's feed. Operator is a person's certificate.
const (
	Gateway   Role = "gateway"
	Bundler   Role = "bundler"
	Monitor   Role = "monitor"
	Observer  Role = "observer"
	Producer  Role = "producer"
	Proposer  Role = "proposer"
	Sequencer Role = "sequencer"
	Keyholder Role = "keyholder"
	Operator  Role = "operator"
	Client    Role = "client"
	Local     Role = "local" // of a caller on a server without TLS: it may call everything
	None      Role = "none"  // of a certificate whose name belongs to no role: it may call nothing
)

// All are the roles that a certificate can have.
func All() []Role {
	return []Role{Gateway, Bundler, Monitor, Observer, Producer, Proposer, Sequencer, Keyholder, Operator, Client}
}

// names are the common names of each role.
var names = map[string]Role{
	"api-gw": Gateway, "bundler": Bundler, "monitor-svc": Monitor, "producer-observer": Observer, "producer-svc": Producer,
	"proposer-svc": Proposer, "sequencer": Sequencer, "keyholder": Keyholder, "operator": Operator, "client": Client,
}

// Of is the role of a common name: one of the names above, or for those of which there are several, one with a suffix, as
// in keyholder-3 or operator-jane.
func Of(commonName string) Role {
	if role, ok := names[commonName]; ok {
		return role
	}
	for _, prefix := range []string{"keyholder-", "operator-", "client-"} {
		if suffix, ok := strings.CutPrefix(commonName, prefix); ok && suffix != "" {
			return names[strings.TrimSuffix(prefix, "-")]
		}
	}
	return None
}

// May says whether a role may call a method.
func May(role Role, method string) bool {
	return role == Local || slices.Contains(table[method], role)
}
