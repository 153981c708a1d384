package history

import (
	"slices"
	"testing"
	"time"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"
	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestAValidHistoryHasNoViolations(t *testing.T) {
	if found := Check(clean(t)); len(found) != 0 {
		t.Fatalf("found %v", found)
	}
	if found := Check(&History{}); len(found) != 0 {
		t.Fatalf("in an empty history: %v", found)
	}
}

// Each seeded fault must be found under its name; faults that necessarily break something else too list that.
func TestSeededViolationsAreFound(t *testing.T) {
	for _, seed := range []struct {
		what  string
		names []string
		spoil func(t *testing.T, h *History)
	}{
		{"an observer of the feed sees another content for a number", []string{"S1", "S11"}, func(t *testing.T, h *History) {
			h.Blueprints[7].Value = edited(h.Blueprints[7].Value, func(b *blueprintv1.Blueprint) { b.Transactions[0] = []byte{9}; sign(t, b) })
		}},
		{"the DSN fixes a second content for a number", []string{"S1", "S5"}, func(_ *testing.T, h *History) {
			h.addPreblock(h.Preblocks[4].Value, func(p *preblockv1.Preblock) { p.Content.Transactions = nil })
		}},
		{"the DSN fixes two contents for a number that is not applied yet", []string{"S1", "S5"}, func(_ *testing.T, h *History) {
			h.addPreblock(h.Preblocks[4].Value, func(p *preblockv1.Preblock) { p.Content.Number = 6 })
			h.addPreblock(h.Preblocks[4].Value, func(p *preblockv1.Preblock) { p.Content.Number, p.Content.Transactions = 6, nil })
		}},
		{"a preblock is not of the hash it claims", []string{"S1"}, func(_ *testing.T, h *History) {
			h.Preblocks[0].Value.Content.Transactions = nil
		}},
		{"the log holds another content than the feed", []string{"S1"}, func(_ *testing.T, h *History) {
			h.Records[2].Transactions = h.Records[2].Transactions[:1]
		}},
		{"a block over JSON-RPC has another hash", []string{"S1"}, func(_ *testing.T, h *History) { h.Blocks[1].Value.Hash = common.Hash{1} }},
		{"a block over JSON-RPC lacks a transaction", []string{"S1"}, func(_ *testing.T, h *History) {
			h.Blocks[0].Value.Transactions = h.Blocks[0].Value.Transactions[1:]
		}},
		{"the chunks hold another content", []string{"S1"}, func(_ *testing.T, h *History) {
			h.everyBlueprint(3, func(b *blueprintv1.Blueprint) { b.Chunks[0][20] ^= 1 })
			h.Key = nil
		}},
		{"a chunk is missing", []string{"S1"}, func(_ *testing.T, h *History) {
			h.everyBlueprint(3, func(b *blueprintv1.Blueprint) { b.Chunks = b.Chunks[:1] })
		}},
		{"a chunk has a foreign signature", []string{"S1"}, func(_ *testing.T, h *History) {
			h.everyBlueprint(3, func(b *blueprintv1.Blueprint) { b.Chunks[0][len(b.Chunks[0])-1] ^= 1 })
		}},
		{"a call is answered with another hash", []string{"S1"}, func(_ *testing.T, h *History) { h.Calls[0].Hash = common.Hash{1} }},
		{"a call is answered with another number of transactions", []string{"S1"}, func(_ *testing.T, h *History) { h.Calls[0].Transactions++ }},

		{"a number is missing", []string{"S2", "S3", "S9"}, func(_ *testing.T, h *History) {
			h.Blueprints = slices.Delete(h.Blueprints, 4, 6)
			h.Records = slices.Delete(h.Records, 2, 3)
			h.Blocks = slices.Delete(h.Blocks, 2, 3)
		}},
		{"a parent is not the block before", []string{"S2"}, func(t *testing.T, h *History) {
			h.cutTo(4)
			h.grow(t, 5, common.Hash{0xbb})
		}},
		{"the first block has another genesis", []string{"S2"}, func(_ *testing.T, h *History) { h.Genesis = common.Hash{1} }},
		{"a timestamp decreases", []string{"S2"}, func(t *testing.T, h *History) { h.decreaseTimestamp(t) }},

		{"an acknowledged transaction is nowhere", []string{"S3"}, func(_ *testing.T, h *History) { h.Pending = nil }},
		{"a transaction is in two blocks", []string{"S3"}, func(t *testing.T, h *History) {
			h.cutTo(4)
			h.growWith(t, h.Blueprints[0].Value.GetTransactions()[0])
		}},
		{"a transaction is in two blocks, seen over JSON-RPC alone", []string{"S3"}, func(_ *testing.T, h *History) {
			h.Blueprints, h.Records = nil, nil
			h.Blocks[4].Value.Transactions = h.Blocks[3].Value.Transactions
			h.Acks, h.Lookups = nil, nil
		}},
		{"an opened transaction is not executed at its place", []string{"S1", "S16"}, func(t *testing.T, h *History) {
			h.everyBlueprint(5, func(b *blueprintv1.Blueprint) { b.Transactions[0] = []byte{8}; sign(t, b) })
			h.Acks, h.Records, h.Blocks = nil, nil, nil
		}},
		{"an acknowledged sealed transaction is nowhere", []string{"S3"}, func(_ *testing.T, h *History) {
			h.Acks = append(h.Acks, Ack{Tx: content.Keccak([]byte{seal.Type, 3}), By: "wallet"})
		}},
		{"a sealed transaction is ordered at two numbers", []string{"S1", "S3", "S16"}, func(_ *testing.T, h *History) {
			h.addPreblock(h.Preblocks[4].Value, func(p *preblockv1.Preblock) { p.Content.Number, p.Attempt = 2, 9 })
			h.Preblocks = slices.Delete(h.Preblocks, 1, 2)
		}},
		{"a sealed transaction is opened to something else for another observer", []string{"S1"}, func(_ *testing.T, h *History) {
			h.addPreblock(h.Preblocks[4].Value, func(p *preblockv1.Preblock) { p.Outcomes[0].GetOpened().Transaction = []byte{8} })
		}},
		{"the log says another reason than the preblock", []string{"S1"}, func(_ *testing.T, h *History) {
			h.Records[4].Sealed[1].Reason = preblockv1.UnopenableReason_UNOPENABLE_REASON_PAYLOAD
		}},
		{"the log has another content hash than the preblock", []string{"S1"}, func(_ *testing.T, h *History) {
			h.Records[4].ContentHash = common.Hash{1}.Bytes()
		}},
		{"a transaction is unknown after its acknowledgement", []string{"S4"}, func(_ *testing.T, h *History) { h.Lookups[3].Found = false }},

		{"two proposals are in flight", []string{"S5"}, func(_ *testing.T, h *History) {
			h.Listings = append(h.Listings, Listing{Requests: []*proposalv1.Request{
				{RequestId: "y", State: proposalv1.RequestState_REQUEST_STATE_IN_FLIGHT, Number: 7},
				{RequestId: "x", State: proposalv1.RequestState_REQUEST_STATE_IN_FLIGHT, Number: 6},
			}})
		}},
		{"a later number is processed first", []string{"S5"}, func(_ *testing.T, h *History) {
			h.Listings = append(h.Listings, Listing{Requests: []*proposalv1.Request{
				{RequestId: "y", State: processed, Number: 7},
				{RequestId: "x", State: proposalv1.RequestState_REQUEST_STATE_IN_FLIGHT, Number: 6},
			}})
		}},
		{"an attempt is submitted with two contents", []string{"S5"}, func(_ *testing.T, h *History) {
			r := proto.CloneOf(h.Listings[9].Requests[0])
			r.ContentHash = common.Hash{1}.Bytes()
			h.Listings = append(h.Listings, Listing{Requests: []*proposalv1.Request{r}})
		}},

		{"a block shown to a caller is lost", []string{"S6", "S11"}, func(_ *testing.T, h *History) { h.Head = 4 }},

		{"a request is served twice", []string{"S7"}, func(_ *testing.T, h *History) {
			h.everyBlueprint(5, func(b *blueprintv1.Blueprint) { b.RequestId = "b" })
			h.Calls = nil
		}},
		{"a repeat of a request is answered with another block", []string{"S7"}, func(_ *testing.T, h *History) {
			again := h.Calls[4]
			again.Request = "c"
			h.Calls = append(h.Calls, again)
		}},
		{"a younger request overtakes an older one", []string{"S7"}, func(_ *testing.T, h *History) {
			slices.Reverse(h.Listings[9].Requests)
		}},
		{"a request goes back in the queue", []string{"S7"}, func(_ *testing.T, h *History) {
			r := proto.CloneOf(h.Listings[9].Requests[0])
			r.State = proposalv1.RequestState_REQUEST_STATE_QUEUED
			h.Listings = append(h.Listings, Listing{Requests: []*proposalv1.Request{r}})
		}},
		{"an answer is older than another that was there before the call", []string{"S7"}, func(_ *testing.T, h *History) {
			h.Calls[0].Start, h.Calls[0].End = time.Second, 2*time.Second
		}},

		{"a request ends with a reason and with a block", []string{"S8"}, func(_ *testing.T, h *History) {
			h.Calls = append(h.Calls, Call{Request: "c", Reason: "pool_empty"})
		}},
		{"a request ends with two reasons", []string{"S8"}, func(_ *testing.T, h *History) {
			h.Calls = append(h.Calls, Call{Request: "empty", Reason: "pool_empty"})
		}},

		{"the feed skips a number", []string{"S9"}, func(_ *testing.T, h *History) { h.Blueprints = slices.Delete(h.Blueprints, 5, 6) }},
		{"a chunk differs between observers", []string{"S11"}, func(_ *testing.T, h *History) {
			h.Blueprints[5].Value = edited(h.Blueprints[5].Value, func(b *blueprintv1.Blueprint) { b.Chunks[0][4] ^= 1 })
		}},

		{"a token decreases", []string{"S12"}, func(_ *testing.T, h *History) { h.Records[3].Token = 11 }},
		{"a token has two holders", []string{"S12"}, func(_ *testing.T, h *History) {
			h.Records[3].Token, h.Records[3].Holder = 13, "p2"
			h.Listings = nil
		}},
		{"a request is served under an older token than it was made", []string{"S12"}, func(_ *testing.T, h *History) {
			h.Listings[9].Requests[0].Token = 99
		}},
		{"a record is written again", []string{"S12"}, func(_ *testing.T, h *History) { h.Records = append(h.Records, h.Records[4]) }},
	} {
		t.Run(seed.what, func(t *testing.T) {
			h := clean(t)
			seed.spoil(t, h)
			var names []string
			found := Check(h)
			for _, v := range found {
				names = append(names, v.Name)
			}
			if names = slices.Compact(names); !slices.Equal(names, seed.names) {
				t.Fatalf("found %v, want %v", found, seed.names)
			}
		})
	}
}

func TestAttemptsMayStartAtOneAfterRedisIsWiped(t *testing.T) {
	h := clean(t)
	h.Wiped = true
	r := proto.CloneOf(h.Listings[9].Requests[0])
	r.ContentHash, r.State = common.Hash{1}.Bytes(), proposalv1.RequestState_REQUEST_STATE_QUEUED
	h.Listings = append(h.Listings, Listing{Requests: []*proposalv1.Request{r}})
	if found := Check(h); len(found) != 0 {
		t.Fatalf("found %v", found)
	}
}

func edited(b *blueprintv1.Blueprint, edit func(*blueprintv1.Blueprint)) *blueprintv1.Blueprint {
	b = proto.CloneOf(b)
	edit(b)
	return b
}

func (h *History) addPreblock(like *preblockv1.Preblock, edit func(*preblockv1.Preblock)) {
	p := proto.CloneOf(like)
	edit(p)
	c := p.GetContent()
	hash := contentHash(c.GetNumber(), c.GetBaseFee(), c.GetPreviousBlockHash(), c.GetTimestamp(), nil, c.GetTransactions())
	p.ContentHash = hash[:]
	h.Preblocks = append(h.Preblocks, Seen[*preblockv1.Preblock]{"dsn", p})
}

// everyBlueprint edits what both observers saw of a number.
func (h *History) everyBlueprint(n int, edit func(*blueprintv1.Blueprint)) {
	b := edited(h.Blueprints[2*(n-1)].Value, edit)
	h.Blueprints[2*(n-1)].Value, h.Blueprints[2*(n-1)+1].Value = b, b
}

// cutTo leaves the first n blocks, and of calls and listings nothing.
func (h *History) cutTo(n int) {
	h.Blueprints, h.Records, h.Blocks, h.Preblocks = h.Blueprints[:2*n], h.Records[:n], h.Blocks[:n], h.Preblocks[:n]
	h.Calls, h.Listings = nil, nil
	h.Acks, h.Lookups = nil, nil
}

// growWith adds blueprint 5 with one transaction, to both observers and nothing else.
func (h *History) growWith(t *testing.T, tx []byte) {
	parent := h.Blueprints[7].Value
	b := &blueprintv1.Blueprint{
		Number: 5, ParentHash: parent.GetBlockHash(), BlockHash: common.Hash{5}.Bytes(), Timestamp: parent.GetTimestamp(),
		Transactions: [][]byte{tx},
	}
	sign(t, b)
	h.Blueprints = append(h.Blueprints, Seen[*blueprintv1.Blueprint]{"feed", b}, Seen[*blueprintv1.Blueprint]{"late feed", b})
}

func (h *History) decreaseTimestamp(t *testing.T) {
	h.cutTo(4)
	h.growWith(t, []byte{7})
	h.everyBlueprint(5, func(b *blueprintv1.Blueprint) { b.Timestamp = &timestamppb.Timestamp{Seconds: 1}; sign(t, b) })
}
