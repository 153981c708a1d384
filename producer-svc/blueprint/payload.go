package blueprint

import (
	"blindseq/kit/content"

	"github.com/ethereum/go-ethereum/rlp"
)

// maxDelayedBytes bounds the delayed transactions of one block. Its chunks hold their hashes only, but who reads the block
// gets them whole.
const maxDelayedBytes = 4 << 20

// Executed is a transaction of a block.
type Executed struct {
	Raw     []byte
	Delayed bool
}

// Payload measures what a block executes, because all of it has to fit its blueprint: the transactions of the content, and
// those of earlier contents that waited. The zero value is an empty block.
type Payload struct {
	transactions uint64 // bytes of their RLP strings
	delayed      uint64 // number of delayed ones
	delayedBytes uint64
}

// Add takes the room of one more transaction, or reports that there is none and changes nothing.
func (p *Payload) Add(one Executed) bool {
	next := *p
	if one.Delayed {
		next.delayed++
		next.delayedBytes += uint64(len(one.Raw))
		next.transactions += hashBytes // its place
	} else {
		next.transactions += rlp.BytesSize(one.Raw)
	}
	body := parentBytes + rlp.ListSize(next.delayed*hashBytes) + rlp.ListSize(next.transactions) + timestampBytes
	if rlp.ListSize(body) > MaxBytes || next.delayedBytes > maxDelayedBytes {
		return false
	}
	*p = next
	return true
}

// OfExecuted is the blueprint that is published for a block: what it executed and nothing else, in that order. Delayed
// transactions are executed before all others; where one is not, its hash among the transactions, 32 bytes that no
// transaction can be, marks its place.
func OfExecuted(parent content.Hash, timestamp int64, executed []Executed) Blueprint {
	b := Blueprint{ParentHash: parent, Timestamp: timestamp}
	for _, one := range executed {
		if !one.Delayed {
			b.Transactions = append(b.Transactions, one.Raw)
			continue
		}
		hash := content.Keccak(one.Raw)
		b.Delayed = append(b.Delayed, hash)
		if len(b.Transactions) > 0 {
			b.Transactions = append(b.Transactions, hash[:])
		}
	}
	return b
}
