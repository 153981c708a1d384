package seal

import (
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/gtank/ristretto255"
)

var batchSizes = []int{1, 10, 100, 500}

// benchWorld is four keyholders, three of whom open, and transfers of 120 bytes.
type benchWorld struct {
	*world
	seeds   []Seed
	tx      []byte
	sealed  []*Sealed
	checked []*Checked
	shares  [][]Share
	points  []Point
}

var newBenchWorld = sync.OnceValue(func() *benchWorld {
	b := &benchWorld{world: newWorld(&testing.B{}, 4, 3), tx: make([]byte, 120)}
	n := batchSizes[len(batchSizes)-1]
	for range n {
		b.seeds = append(b.seeds, NewSeed())
		b.sealed = append(b.sealed, b.sealWith(&testing.B{}, b.seeds[len(b.seeds)-1], b.tx))
	}
	b.checked, _ = b.ring.CheckBatch(b.sealed)
	for _, c := range b.checked {
		some := sharesOf(&testing.B{}, b.world, c)[:3]
		z, err := b.keys.Combine(some)
		if err != nil {
			panic(err)
		}
		b.shares, b.points = append(b.shares, some), append(b.points, z)
	}
	return b
})

// A floor is what the primitives of the libraries that an operation cannot do without cost, measured in the same run.
// Hashes, the cipher and the encoding are not in it.
type floor struct {
	multiply, base, variable, double, decode, encode, sign, recover time.Duration
}

func measureFloor() floor {
	k, p := randomScalar(), new(element).ScalarBaseMult(randomScalar())
	encoded, out := p.Bytes(), new(element)
	key, err := crypto.GenerateKey()
	if err != nil {
		panic(err)
	}
	digest := crypto.Keccak256([]byte("digest"))
	signature, err := crypto.Sign(digest, key)
	if err != nil {
		panic(err)
	}
	return floor{
		multiply: timeOf(func() { out.ScalarMult(k, p) }),
		base:     timeOf(func() { out.ScalarBaseMult(k) }),
		variable: timeOf(func() { out.VarTimeMultiScalarMult([]*scalar{k}, []*element{p}) }),
		double:   timeOf(func() { out.VarTimeDoubleScalarBaseMult(k, p, k) }),
		decode:   timeOf(func() { _, _ = out.SetCanonicalBytes(encoded) }),
		encode:   timeOf(func() { p.Bytes() }),
		sign:     timeOf(func() { _, _ = crypto.Sign(digest, key) }),
		recover:  timeOf(func() { _, _ = crypto.Ecrecover(digest, signature) }),
	}
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// timeOf is the fastest of some runs' average.
func timeOf(do func()) time.Duration {
	best := time.Hour
	for range 3 {
		best = min(best, processorTimeOf(do))
	}
	return best
}

// processorTimeOf is the average of a run of at least 3 ms, in processor time of this process: what other processes do at the same
// time is not in it, but for what they leave in the caches.
func processorTimeOf(do func()) time.Duration {
	start := processorTime()
	for n := time.Duration(1); ; n++ {
		do()
		if took := processorTime() - start; took >= 3*time.Millisecond {
			return took / n
		}
	}
}

func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// sum is the library's multi-scalar multiplication, with a full scalar for every second point and 128 bits for the others.
func (f floor) sum(points int, all128 bool) time.Duration {
	ps, ss := make([]*element, points), make([]*scalar, points)
	for i := range ps {
		ps[i], ss[i] = new(element).ScalarBaseMult(randomScalar()), randomScalar()
		if all128 && i%2 == 0 {
			ss[i] = randomCoefficient()
		}
	}
	out := ristretto255.NewIdentityElement()
	return timeOf(func() { out.VarTimeMultiScalarMult(ss, ps) })
}

func (f floor) seal() time.Duration  { return 2*f.base + 3*f.multiply + 5*f.encode + f.sign }
func (f floor) share() time.Duration { return f.multiply + f.encode }
func (f floor) proof() time.Duration { return f.share() + f.base + f.multiply + 2*f.encode }

// reseal is sealing again with public values, to compare five points.
func (f floor) reseal() time.Duration { return 2*f.base + 3*f.variable + 5*f.encode }

// check of a single one is exact, with each equation for itself.
func (f floor) check(n int) time.Duration {
	if n == 1 {
		return 4*f.decode + f.recover + f.double + f.sum(2, false)
	}
	return 4*f.decode + f.recover + f.sum(4*n+2, true)/time.Duration(n)
}

func (f floor) open() time.Duration { return 3*f.decode + f.sum(3, false) + f.encode + f.reseal() }

// onOneCore runs do for each batch size, and reports microseconds of processor time for each transaction, of do and of its floor, before
// and after it: the least of all. scripts/bench-seal.sh runs it several times and divides the least by the least.
func onOneCore(b *testing.B, lowest func(f floor, n int) time.Duration, do func(w *benchWorld, n int)) {
	w := newBenchWorld()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, n := range batchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			best, floor := time.Hour, lowest(measureFloor(), n)
			for b.Loop() {
				best = min(best, processorTimeOf(func() { do(w, n) }))
			}
			floor = min(floor, lowest(measureFloor(), n))
			b.ReportMetric(microseconds(best)/float64(n), "µs/tx")
			b.ReportMetric(microseconds(floor), "floor-µs/tx")
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	onOneCore(b, func(f floor, _ int) time.Duration { return f.seal() }, func(w *benchWorld, n int) {
		for i := range n {
			w.sealWith(b, w.seeds[i], w.tx)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	onOneCore(b, floor.check, func(w *benchWorld, n int) {
		if _, errs := w.ring.CheckBatch(w.sealed[:n]); firstError(errs) != nil {
			b.Fatal(errs)
		}
	})
}

// BenchmarkCheckGarbage is the worst that a sender can do to a batch: no proof holds, and each is found by halving.
func BenchmarkCheckGarbage(b *testing.B) {
	onOneCore(b, floor.check, func(w *benchWorld, n int) {
		bad := make([]*Sealed, n)
		for i, s := range w.sealed[:n] {
			wrong := *s
			wrong.f = [32]byte{1}
			bad[i] = &wrong
		}
		if checked, _ := w.ring.CheckBatch(bad); checked[0] != nil {
			b.Fatal("garbage passes")
		}
	})
}

func BenchmarkShare(b *testing.B) {
	onOneCore(b, func(f floor, _ int) time.Duration { return f.share() }, func(w *benchWorld, n int) {
		for _, c := range w.checked[:n] {
			if _, err := w.secrets[0].Share(c); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkShareWithProof(b *testing.B) {
	onOneCore(b, func(f floor, _ int) time.Duration { return f.proof() }, func(w *benchWorld, n int) {
		for _, c := range w.checked[:n] {
			if _, _, err := w.secrets[0].ShareWithProof(c); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCombineAndOpen(b *testing.B) {
	onOneCore(b, func(f floor, _ int) time.Duration { return f.open() }, func(w *benchWorld, n int) {
		for i, c := range w.checked[:n] {
			z, err := w.keys.Combine(w.shares[i])
			if err != nil {
				b.Fatal(err)
			}
			if _, err := c.Open(z); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkReseal is what a monitor does, which has not checked the transaction before.
func BenchmarkReseal(b *testing.B) {
	onOneCore(b, func(f floor, _ int) time.Duration { return f.reseal() }, func(w *benchWorld, n int) {
		for i, s := range w.sealed[:n] {
			if err := w.ring.VerifyOpening(s, Opening{w.seeds[i], w.tx}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFloor prints the primitives that the ratios are of.
func BenchmarkFloor(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	f := measureFloor()
	for name, d := range map[string]time.Duration{
		"multiply": f.multiply, "base": f.base, "variable": f.variable, "double": f.double, "decode": f.decode, "encode": f.encode, "sign": f.sign, "recover": f.recover,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
			}
			b.ReportMetric(microseconds(d), "µs")
			b.ReportMetric(0, "ns/op")
		})
	}
}
