// Package rediskeys names every Redis key and channel of the system, one builder each. Nothing else in the repository
// spells a key, so this file lists everything in Redis. Nothing here is the only copy of anything acknowledged: the services
// rebuild a wiped Redis.
//
// Every key carries the deployment's name, so that several deployments may share a Redis. A channel carries the database's
// number too, because Pub/Sub knows no databases.
//
// The braces are hash tags: the keys of one script fall into one slot, should Redis ever be a cluster.
package rediskeys

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// ErrDeployment is a name that no deployment can have.
var ErrDeployment = errors.New("bad name of a deployment")

// OfChain is the name that a deployment of a chain has by default.
func OfChain(id uint64) string { return ofChain + strconv.FormatUint(id, 10) }

const ofChain = "chain-"

// CheckChain refuses the default name of another chain's deployment: two chains would use the same keys.
func CheckChain(deployment string, id uint64) error {
	if strings.HasPrefix(deployment, ofChain) && deployment != OfChain(id) {
		return fmt.Errorf("--deployment: %w: %q is the name of another chain: set --deployment %s (BLINDSEQ_DEPLOYMENT), or a name of your own, in every service",
			ErrDeployment, deployment, OfChain(id))
	}
	return nil
}

// Names of the locks and leases there are; the argument of the Lock builders and of leader.NewDirectory.
const (
	ConsumptionLock = "consumption" // held for one critical section: a request and its one event
	ProducerLease   = "producer"    // held by the leading producer-svc for as long as it lives
	ProposerLease   = "proposer"    // held by the active proposer-svc
)

// Names are the keys and channels of one deployment in one database of Redis. New makes them.
type Names struct{ keys, channels string }

// deployment has neither the colon that ends a part of a key nor the braces of a hash tag.
var deployment = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// New returns the names of a deployment in the database with this number.
func New(name string, database int) (Names, error) {
	if !deployment.MatchString(name) {
		return Names{}, fmt.Errorf("%w: %q: want 1 to 63 letters, digits and ._-, the first a letter or digit", ErrDeployment, name)
	}
	keys := "blindseq:" + name + ":"
	return Names{keys: keys, channels: keys + strconv.Itoa(database) + ":"}, nil
}

// LockLease is the holder of the lock: hash {attempt, holder, token, meta}. Written by kit/lock. TTL: the lock's.
func (n Names) LockLease(name string) string { return n.keys + "{lock:" + name + "}:lease" }

// LockToken is the last fencing token minted: a decimal number. Written by kit/lock. No TTL.
func (n Names) LockToken(name string) string { return n.keys + "{lock:" + name + "}:token" }

// LockEvents is the channel on which kit/lock says "released", and "acquired" by a holder that has something to tell
// (a leader's endpoint). A message is a hint to look again, never the fact itself.
func (n Names) LockEvents(name string) string { return n.channels + "{lock:" + name + "}:events" }

// Roster is the replicas of a service that serve reads: hash of address to "<Redis time in ms at which the entry is void>
// <JSON>". Written by kit/leader. TTL: that of its last entry.
func (n Names) Roster(name string) string { return n.keys + "roster:" + name }

// proposerTag puts the FIFO into the slot of the proposer's lease: one script checks the lease and changes the FIFO.
const proposerTag = "{lock:" + ProposerLease + "}:"

// ProposerState is the FIFO's tag, by which a change is noticed, and the id of the current request: hash {tag,
// current}. Written by proposer-svc. No TTL.
func (n Names) ProposerState() string { return n.keys + proposerTag + "state" }

// ProposerFIFO is the ids of the requests queued, the first to be served first: list. Written by proposer-svc. No TTL.
func (n Names) ProposerFIFO() string { return n.keys + proposerTag + "fifo" }

// ProposerRequests is the requests queued and the current one: hash of request id to JSON. Written by proposer-svc. No TTL.
func (n Names) ProposerRequests() string { return n.keys + proposerTag + "requests" }

// ProposerRecent is the last requests processed, newest first: list of JSON, bounded. Written by proposer-svc. No TTL.
func (n Names) ProposerRecent() string { return n.keys + proposerTag + "recent" }

// ProposerProcessed is the last processed requests: hash of request id to JSON, bounded (redisx.MemoryLua). Written by
// proposer-svc. TTL: twice --processed-ttl, so 2 h by default.
func (n Names) ProposerProcessed() string { return n.keys + proposerTag + "processed" }

// ProposerProcessedOlder is those processed before: what ProposerProcessed was until it was full or old. TTL: --processed-ttl.
func (n Names) ProposerProcessedOlder() string { return n.keys + proposerTag + "processed-older" }

// ProposerEvents is the channel on which a proposer-svc says that it changed the FIFO. The message is the tag.
func (n Names) ProposerEvents() string { return n.channels + proposerTag + "events" }

// EndingRequest is the id of the request that is ending without a preblock; there is no key while none is. It is the contract
// between proposer-svc and monitor-svc about notices (docs/adr/004): proposer-svc writes it in the same script that changes
// the FIFO, so that the two never differ, in any copy of Redis. monitor-svc reads it in the same script that records a
// notice, and reads nothing else of the FIFO. String. No TTL.
func (n Names) EndingRequest() string { return n.keys + proposerTag + "ending" }

// MonitorNoPreblocks is why the last requests without a preblock ended: hash of request id to JSON, bounded (redisx.MemoryLua). An
// entry is written once, by monitor-svc, while the request is the EndingRequest: both are in one slot. TTL 2 h.
func (n Names) MonitorNoPreblocks() string { return n.keys + proposerTag + "no-preblocks" }

// MonitorNoPreblocksOlder is those before: what MonitorNoPreblocks was until it was full or old. TTL 1 h.
func (n Names) MonitorNoPreblocksOlder() string { return n.keys + proposerTag + "no-preblocks-older" }

// MonitorEvents is the channel on which monitor-svc says that a request ended without a preblock: JSON.
func (n Names) MonitorEvents() string { return n.channels + "monitor:events" }

// MonitorConflict is two preblocks that the DSN showed for one number: JSON {number, first_hash, second_hash, first,
// second}, the preblocks in protobuf wire format. Written once for each number, by monitor-svc; kept for the operator.
// No TTL.
func (n Names) MonitorConflict(number uint64) string {
	return n.keys + "monitor:conflict:" + strconv.FormatUint(number, 10)
}

// GatewayBody is the body of the produce_block call that an idempotency key was first used with: string. Written by api-gw.
// TTL 1 h.
func (n Names) GatewayBody(idempotencyKey string) string {
	return n.keys + "gateway:body:" + idempotencyKey
}

// Probe is a key that every process writes, to learn whether it may use this Redis: string. TTL 1 s.
func (n Names) Probe() string { return n.keys + "{probe}" }

// ProbeEvents is a channel on which a probe publishes; nobody listens.
func (n Names) ProbeEvents() string { return n.channels + "{probe}:events" }
