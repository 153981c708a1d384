// Package history checks the recorded behaviour of a running system against the invariants.
//
// A History is what observers outside the services recorded. Check names every invariant that it violates (S1 to S14, S16,
// S17, L1 to L5; docs/reliability.md lists them). The package is pure: no clock, no network, so the end-to-end tests, fault runs and
// simulators share the same rules. It trusts no service: it hashes contents and decodes chunks itself.
//
// An empty result means that no violation was found: what was not recorded is not checked.
package history

import (
	"cmp"
	"crypto/ed25519"
	"fmt"
	"slices"
	"time"

	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"github.com/ethereum/go-ethereum/common"
)

// History is everything recorded in one run. Slices are in the order of observation; times are monotonic, from any
// common zero.
type History struct {
	Genesis common.Hash       // hash of block 0; zero: not checked
	Head    uint64            // the head at the end of the run; 0: not known
	Key     ed25519.PublicKey // of the sequencer; nil: signatures are not checked
	Quorum  int               // of keyholders; 0: not known
	Wiped   bool              // Redis lost its data in the run: proposers may count attempts anew

	Acks       []Ack
	Lookups    []Lookup
	Pending    []common.Hash          // transactions in the pool at the end
	Ended      map[common.Hash]string // transactions that ended otherwise, with the recorded reason
	Calls      []Call
	Preblocks  []Seen[*preblockv1.Preblock]
	Blueprints []Seen[*blueprintv1.Blueprint] // of feeds: the numbers seen by one observer are consecutive
	Records    []*blueprintv1.LogRecord       // of the blueprint log, in order
	Blocks     []Seen[Block]
	Listings   []Listing

	// Sealed says which transactions were sealed, in a world whose preblocks do not say it. May be nil.
	Sealed   func(raw []byte) bool
	Logs     []Seen[[]*blueprintv1.LogRecord] // of other replicas, like Records
	Steps    []Step
	Roots    []Seen[Root]
	Replay   map[uint64]common.Hash // state roots of a replay of the same preblocks without faults
	Refusals []Refusal
	Alarms   []Seen[string] // that production was halted for
	Recovery Recovery
}

// Seen is something as one observer saw it.
type Seen[T any] struct {
	By    string
	Value T
}

// Ack is a transaction whose hash was returned to its sender; of a sealed one its id, or, when a bundler answered, the hash of
// the transaction inside.
type Ack struct {
	Tx     common.Hash
	Sealed bool // Tx is the id of a sealed transaction
	By     string
	Sent   time.Duration
	At     time.Duration // when the answer came
}

// Lookup is the answer to the question where a transaction is.
type Lookup struct {
	Tx      common.Hash
	Started time.Duration
	Found   bool
}

// Call is one produce_block call: a block, a reason why there is none, or an error.
type Call struct {
	Request    string
	Start, End time.Duration

	Number       uint64 // 0: no block
	Hash         common.Hash
	Transactions uint32
	Reason       string // of NoPreblock
	Err          string
}

// Block is a block as JSON-RPC shows it.
type Block struct {
	Number       uint64
	Hash, Parent common.Hash
	Timestamp    uint64
	Transactions []common.Hash
}

// Listing is one answer of the proposer's ListProposals. Listings of one history do not overlap in time.
type Listing struct {
	Requests []*proposalv1.Request // newest first
}

// Violation is an invariant that the history contradicts.
type Violation struct {
	Name   string // S1 to S14, S16, S17, L1 to L5
	Detail string
}

func (v Violation) String() string { return v.Name + ": " + v.Detail }

// Check returns what the history contradicts; nothing for a clean one.
func Check(h *History) []Violation {
	c := newChecker(h)
	c.contents()
	c.sealedOnes()
	c.executions()
	c.chunks()
	c.blocks()
	c.chain()
	c.feeds()
	c.survival()
	c.transactions()
	c.proposals()
	c.requests()
	c.calls()
	c.tokens()
	c.steps()
	c.roots()
	c.refusals()
	c.alarms()
	c.liveness()
	slices.SortFunc(c.found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Detail, b.Detail))
	})
	return c.found
}

type checker struct {
	*History
	found []Violation

	applied map[uint64]applied // what was applied, by number
	last    uint64             // the highest number in it
	ordered map[uint64]ordered // what was put in order and what was opened of it, by number
}

func (c *checker) violated(name, format string, args ...any) {
	c.found = append(c.found, Violation{Name: name, Detail: fmt.Sprintf(format, args...)})
}
