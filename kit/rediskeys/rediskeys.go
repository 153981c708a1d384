// Package rediskeys names every Redis key and channel of the system, one builder each. Nothing else in the repository
// spells a key, so this file lists everything in Redis. Nothing here is the only copy of anything acknowledged: the services
// rebuild a wiped Redis.
//
// The braces are hash tags: the keys of one script fall into one slot, should Redis ever be a cluster.
package rediskeys

import "strconv"

// Names of the locks and leases there are; the argument of the Lock builders and of leader.NewDirectory.
const (
	ConsumptionLock = "consumption" // held for one critical section: a request and its one event
	ProducerLease   = "producer"    // held by the leading producer-svc for as long as it lives
	ProposerLease   = "proposer"    // held by the active proposer-svc
)

const prefix = "blindseq:"

// LockLease is the holder of the lock: hash {attempt, holder, token, meta}. Written by kit/lock. TTL: the lock's.
func LockLease(name string) string { return prefix + "{lock:" + name + "}:lease" }

// LockToken is the last fencing token minted: a decimal number. Written by kit/lock. No TTL.
func LockToken(name string) string { return prefix + "{lock:" + name + "}:token" }

// LockEvents is the channel on which kit/lock says "released", and "acquired" by a holder that has something to tell
// (a leader's endpoint). A message is a hint to look again, never the fact itself.
func LockEvents(name string) string { return prefix + "{lock:" + name + "}:events" }

// Roster is the replicas of a service that serve reads: hash of address to "<Redis time in ms at which the entry is void>
// <JSON>". Written by kit/leader. TTL: that of its last entry.
func Roster(name string) string { return prefix + "roster:" + name }

// proposerTag puts the FIFO into the slot of the proposer's lease: one script checks the lease and changes the FIFO.
const proposerTag = prefix + "{lock:" + ProposerLease + "}:"

// ProposerState is the FIFO's tag, by which a change is noticed, and the id of the current request: hash {tag,
// current}. Written by proposer-svc. No TTL.
func ProposerState() string { return proposerTag + "state" }

// ProposerFIFO is the ids of the requests queued, the first to be served first: list. Written by proposer-svc. No TTL.
func ProposerFIFO() string { return proposerTag + "fifo" }

// ProposerRequests is the requests queued and the current one: hash of request id to JSON. Written by proposer-svc. No TTL.
func ProposerRequests() string { return proposerTag + "requests" }

// ProposerRecent is the last requests processed, newest first: list of JSON, bounded. Written by proposer-svc. No TTL.
func ProposerRecent() string { return proposerTag + "recent" }

// ProposerProcessed is a processed request: JSON. Written by proposer-svc. TTL: --processed-ttl, 1 h by default. Without
// an id it is the prefix of them all.
func ProposerProcessed(id string) string { return proposerTag + "processed:" + id }

// ProposerEvents is the channel on which a proposer-svc says that it changed the FIFO. The message is the tag.
func ProposerEvents() string { return proposerTag + "events" }

// EndingRequest is the id of the request that is ending without a preblock; there is no key while none is. It is the contract
// between proposer-svc and monitor-svc about notices (docs/adr/004): proposer-svc writes it in the same script that changes
// the FIFO, so that the two never differ, in any copy of Redis. monitor-svc reads it in the same script that records a
// notice, and reads nothing else of the FIFO. String. No TTL.
func EndingRequest() string { return proposerTag + "ending" }

// MonitorNoPreblock is why a request ended without a preblock: JSON. Written once, by monitor-svc, while the request is the
// EndingRequest: both are in one slot. TTL 1 h.
func MonitorNoPreblock(requestID string) string { return proposerTag + "no-preblock:" + requestID }

// MonitorEvents is the channel on which monitor-svc says that a request ended without a preblock: JSON.
const MonitorEvents = prefix + "monitor:events"

// MonitorConflict is two preblocks that the DSN showed for one number: JSON {number, first_hash, second_hash, first,
// second}, the preblocks in protobuf wire format. Written once for each number, by monitor-svc; kept for the operator.
// No TTL.
func MonitorConflict(number uint64) string {
	return prefix + "monitor:conflict:" + strconv.FormatUint(number, 10)
}
