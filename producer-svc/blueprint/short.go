package blueprint

import preblockv1 "blindseq/proto/blindseq/preblock/v1"

// ShortList is the most bytes that the transactions of a content have that is pushed to those who follow one of them. Longer ones are
// left out: pushed to everybody whose transaction is in a full block, they would be half a megabyte for each.
const ShortList = 64 << 10

// ListIsShort says whether the transactions of a content may be pushed.
func ListIsShort(c *preblockv1.Content) bool {
	size := 0
	for _, raw := range c.GetTransactions() {
		size += len(raw)
	}
	return size <= ShortList
}
