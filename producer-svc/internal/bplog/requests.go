package bplog

import "crypto/sha256"

// requestIndex finds the blueprint number of a request id, for a bounded number of the last ids added. It keeps their hashes: ids may be
// long, and there are many.
type requestIndex struct {
	numbers map[requestKey]uint64
	ring    []requestKey // in the order they came; the oldest is overwritten
	next    int
}

// requestKey is the beginning of the hash of a request id. The zero value is that of a place in the ring that was not used yet.
type requestKey [16]byte

func keyOf(id string) requestKey {
	hash := sha256.Sum256([]byte(id))
	return requestKey(hash[:])
}

func newRequestIndex(size int) *requestIndex {
	return &requestIndex{numbers: make(map[requestKey]uint64), ring: make([]requestKey, size)}
}

// add remembers the first number of an id; "" is the id of proposals that came without a request.
func (x *requestIndex) add(id string, number uint64) {
	if id == "" {
		return
	}
	key := keyOf(id)
	if _, known := x.numbers[key]; known {
		return
	}
	delete(x.numbers, x.ring[x.next])
	x.ring[x.next] = key
	x.numbers[key] = number
	x.next = (x.next + 1) % len(x.ring)
}

func (x *requestIndex) find(id string) (uint64, bool) {
	number, ok := x.numbers[keyOf(id)]
	return number, ok
}
