package bplog

// requestIndex finds the blueprint number of a request id, for a bounded number of the last ids added.
type requestIndex struct {
	numbers map[string]uint64
	ring    []string // ids in the order they came; the oldest is overwritten
	next    int
}

func newRequestIndex(size int) *requestIndex {
	return &requestIndex{numbers: make(map[string]uint64), ring: make([]string, size)}
}

// add remembers the first number of an id; "" is the id of proposals that came without a request.
func (x *requestIndex) add(id string, number uint64) {
	if id == "" {
		return
	}
	if _, known := x.numbers[id]; known {
		return
	}
	delete(x.numbers, x.ring[x.next])
	x.ring[x.next] = id
	x.numbers[id] = number
	x.next = (x.next + 1) % len(x.ring)
}

func (x *requestIndex) find(id string) (uint64, bool) {
	number, ok := x.numbers[id]
	return number, ok
}
