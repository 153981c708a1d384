package history

import (
	"crypto/ed25519"
	"encoding/binary"
	"testing"
	"time"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"
	"blindseq/seal"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	"golang.org/x/crypto/blake2b"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var testKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

// clean is the history of a run without fault: five blocks, the second empty, the third with a skipped transaction,
// the fourth with a delayed one, the fifth with two sealed ones, of which the second could not be opened; two observers of the
// feed; one request that ended without a block.
func clean(t *testing.T) *History {
	t.Helper()
	h := &History{Genesis: common.Hash{0xee}, Head: 5, Key: testKey.Public().(ed25519.PublicKey)}
	parent := h.Genesis
	for n := uint64(1); n <= 5; n++ {
		parent = h.grow(t, n, parent)
	}
	h.Calls = append(h.Calls, Call{Request: "empty", Start: 60 * time.Millisecond, End: 61 * time.Millisecond, Reason: "pool_locked"})
	h.Listings = append(h.Listings, Listing{Requests: []*proposalv1.Request{
		{RequestId: "empty", State: processed, NoPreblockReason: preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_LOCKED},
	}})
	h.Acks = append(h.Acks, Ack{Tx: common.Hash{0xaa}, By: "wallet", At: time.Second})
	h.Pending = []common.Hash{{0xaa}}
	return h
}

const processed = proposalv1.RequestState_REQUEST_STATE_PROCESSED

// grow adds everything about block n to the history and returns the block's hash.
func (h *History) grow(t *testing.T, n uint64, parent common.Hash) common.Hash {
	t.Helper()
	bp := h.blueprint(t, n, parent)
	a := ofBlueprint(bp)
	c := &preblockv1.Content{
		Number: n, PreviousBlockHash: parent[:], Timestamp: bp.GetTimestamp(), Transactions: bp.GetTransactions(),
	}
	for _, d := range bp.GetDelayedTransactions() {
		c.DelayedTransactionHashes = append(c.DelayedTransactionHashes, d.GetHash())
	}
	p := &preblockv1.Preblock{Content: c, RequestId: bp.GetRequestId(), Attempt: 1}
	record := &blueprintv1.LogRecord{
		Number: n, ParentHash: parent[:], Timestamp: bp.GetTimestamp(), DelayedTransactions: bp.GetDelayedTransactions(),
		Transactions: bp.GetTransactions(), RequestId: bp.GetRequestId(), Token: 10 + n, Holder: "p1",
	}
	if n == 5 {
		sealFirst(p, record)
		h.Acks = append(h.Acks, Ack{Tx: idOf(opened), By: "wallet"}, Ack{Tx: idOf(garbled), By: "wallet"})
	}
	hash := content.HashOf(c)
	p.ContentHash, record.ContentHash = hash[:], hash[:]
	at := time.Duration(n) * 10 * time.Millisecond
	for i, tx := range a.executed {
		h.Acks = append(h.Acks, Ack{Tx: tx, By: "wallet", Sent: at - 2, At: at - 1})
		h.Lookups = append(h.Lookups, Lookup{Tx: tx, Started: at + time.Duration(i), Found: true})
	}
	h.Preblocks = append(h.Preblocks, Seen[*preblockv1.Preblock]{"dsn", p})
	for _, by := range []string{"feed", "late feed"} {
		h.Blueprints = append(h.Blueprints, Seen[*blueprintv1.Blueprint]{by, bp})
	}
	h.Records = append(h.Records, record)
	h.Blocks = append(h.Blocks, Seen[Block]{"rpc", Block{
		Number: n, Hash: a.block, Parent: parent, Timestamp: uint64(a.timestamp), Transactions: a.executed,
	}})
	h.Calls = append(h.Calls, Call{
		Request: bp.GetRequestId(), Start: at, End: at + 5*time.Millisecond, Number: n, Hash: a.block, Transactions: uint32(a.total),
	})
	h.list(bp.GetRequestId(), n, hash)
	return a.block
}

// The sealed transactions of block 5: the first holds its first transaction.
var (
	committee5      = committeetest.ForExample(1, 1, 1)
	opened, garbled = committee5.Sealed([]byte("any")), committee5.Garbage(seal.ErrSeed)
)

// sealFirst puts the sealed ones in the place of the first transaction.
func sealFirst(p *preblockv1.Preblock, record *blueprintv1.LogRecord) {
	plain := p.Content.Transactions
	inner, first, second := content.Keccak(plain[0]), idOf(opened), idOf(garbled)
	const why = preblockv1.UnopenableReason_UNOPENABLE_REASON_SEED
	p.Content.Transactions = [][]byte{opened, garbled, plain[1], plain[2]}
	p.Outcomes = []*preblockv1.Outcome{
		{Index: 0, Result: &preblockv1.Outcome_Opened{Opened: &preblockv1.Opened{Transaction: plain[0]}}},
		{Index: 1, Result: &preblockv1.Outcome_Unopenable{Unopenable: &preblockv1.Unopenable{Reason: why}}},
	}
	record.Sealed = []*blueprintv1.SealedRecord{{Id: first[:], TransactionHash: inner[:]}, {Id: second[:], Index: 1, Reason: why}}
}

// list adds two listings: the request of n in flight on top of the one before it, then processed.
func (h *History) list(id string, n uint64, hash common.Hash) {
	var before []*proposalv1.Request
	if k := len(h.Listings); k > 0 {
		before = h.Listings[k-1].Requests[:1]
	}
	for _, state := range []proposalv1.RequestState{proposalv1.RequestState_REQUEST_STATE_IN_FLIGHT, processed} {
		r := &proposalv1.Request{RequestId: id, State: state, Number: n, Attempt: 1, ContentHash: hash[:], Token: 10 + n}
		h.Listings = append(h.Listings, Listing{Requests: append([]*proposalv1.Request{r}, before...)})
	}
}

func (h *History) blueprint(t *testing.T, n uint64, parent common.Hash) *blueprintv1.Blueprint {
	t.Helper()
	bp := &blueprintv1.Blueprint{
		Number: n, ParentHash: parent[:], BlockHash: common.Hash{byte(n), 0xb1}.Bytes(), RequestId: string(rune('a' + n)),
		Timestamp: &timestamppb.Timestamp{Seconds: 1_700_000_000 + int64(n/2)},
	}
	if n != 2 {
		bp.Transactions = [][]byte{{byte(n), 1}, make([]byte, 3000), {byte(n), 3}}
		bp.Transactions[1][0] = byte(n)
	}
	if n == 3 {
		hash := content.Keccak(bp.Transactions[2])
		bp.Skipped = []*blueprintv1.SkippedTransaction{{Hash: hash[:], Reason: "nonce too low"}}
	}
	if n == 4 {
		hash := content.Keccak([]byte("delayed"))
		bp.DelayedTransactions = []*blueprintv1.DelayedTransaction{{Hash: hash[:], Raw: []byte("delayed")}}
	}
	if n == 5 {
		hash := idOf(garbled)
		bp.Skipped = []*blueprintv1.SkippedTransaction{{Hash: hash[:], Reason: "unopenable: seed"}}
	}
	sign(t, bp)
	return bp
}

// sign has bp execute all that was ordered and not skipped, and publishes it.
func sign(t *testing.T, bp *blueprintv1.Blueprint) {
	t.Helper()
	skipped := map[common.Hash]bool{}
	for _, s := range bp.GetSkipped() {
		skipped[common.BytesToHash(s.GetHash())] = true
	}
	bp.Executed = nil
	for _, d := range bp.GetDelayedTransactions() {
		bp.Executed = append(bp.Executed, &blueprintv1.ExecutedTransaction{Raw: d.GetRaw(), Delayed: true})
	}
	for _, raw := range bp.GetTransactions() {
		if !skipped[content.Keccak(raw)] {
			bp.Executed = append(bp.Executed, &blueprintv1.ExecutedTransaction{Raw: raw})
		}
	}
	publish(t, bp)
}

// publish cuts what bp executed into pieces (of 2,000 bytes, so that there are several) and signs them.
func publish(t *testing.T, bp *blueprintv1.Blueprint) {
	t.Helper()
	raw, err := encodeBlueprint(bp)
	if err != nil {
		t.Fatal(err)
	}
	const piece = 2000
	count := (len(raw) + piece - 1) / piece
	bp.Chunks = nil
	for i := range count {
		f := chunkFields{Value: raw[i*piece : min((i+1)*piece, len(raw))]}
		binary.LittleEndian.PutUint64(f.Number[:8], bp.GetNumber())
		binary.LittleEndian.PutUint16(f.Count[:], uint16(count))
		binary.LittleEndian.PutUint16(f.Index[:], uint16(i))
		unsigned := encode(t, []any{f.Value, f.Number[:], f.Count[:], f.Index[:]})
		digest := blake2b.Sum256(unsigned)
		f.Signature = ed25519.Sign(testKey, digest[:])
		bp.Chunks = append(bp.Chunks, encode(t, &f))
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := rlp.EncodeToBytes(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
