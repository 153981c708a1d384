package blueprint

import (
	"blindseq/kit/content"

	"github.com/ethereum/go-ethereum/rlp"
)

const (
	parentBytes    = 33 // RLP of a 32-byte string
	hashBytes      = 33
	timestampBytes = 9 // RLP of an 8-byte string
	longestHeader  = 4 // of an RLP list that fits a blueprint
)

// Budget shares a blueprint's bytes out to a proposal. It counts to the byte what content.Size counts for the finished
// content, so that nothing is refused that a blueprint could hold. The zero value is an empty proposal.
type Budget struct {
	delayed int
}

// AddDelayed takes the room of one delayed transaction, or reports that there is none and changes nothing.
func (b *Budget) AddDelayed() bool {
	next := Budget{delayed: b.delayed + 1}
	if next.size(0) > content.MaxBlueprintBytes {
		return false
	}
	*b = next
	return true
}

// Room is how many bytes the RLP strings of the transactions may take together beside the delayed ones.
func (b *Budget) Room() uint64 {
	room := uint64(0)
	if headers := b.size(0) + 2*longestHeader; headers < content.MaxBlueprintBytes {
		room = uint64(content.MaxBlueprintBytes - headers)
	}
	for b.size(room+1) <= content.MaxBlueprintBytes { // a few steps: the headers may be shorter
		room++
	}
	return room
}

// size is what a content with transactions of that many bytes of RLP counts for.
func (b *Budget) size(transactions uint64) int {
	body := parentBytes + rlp.ListSize(uint64(b.delayed)*hashBytes) + rlp.ListSize(transactions) + timestampBytes
	return int(rlp.ListSize(body)) + b.delayed*content.DelayedTransactionBytes
}
