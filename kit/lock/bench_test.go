package lock

import (
	"testing"

	"blindseq/kit/redistest"
)

// BenchmarkAcquireRelease is what the lock adds to each block. Floor: two round trips to a local redis-server.
func BenchmarkAcquireRelease(b *testing.B) {
	r := redistest.Real(b)
	l := New(r.Client, Options{Name: "bench"})
	for b.Loop() {
		h, err := l.Acquire(b.Context(), Request{})
		if err != nil {
			b.Fatal(err)
		}
		if err := h.Release(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRoundTrip is the floor's half.
func BenchmarkRoundTrip(b *testing.B) {
	r := redistest.Real(b)
	for b.Loop() {
		if err := r.Client.Ping(b.Context()).Err(); err != nil {
			b.Fatal(err)
		}
	}
}
