//go:build unix

package te

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"runtime"
	"syscall"
	"testing"
	"time"

	bls "github.com/consensys/gnark-crypto/ecc/bls12-381"
	"github.com/consensys/gnark-crypto/ecc/bls12-381/fr"
)

// Every benchmark uses one core and reports, of processor time, µs, what an operation takes; floor-µs, what the library's
// primitives take which the formats ask for: two Miller loops a ciphertext, one hash to G2, one decoding with subgroup check
// for each point that comes as bytes, one final exponentiation for all; and their ratio, x-floor. Below one, the work got by
// with less. make bench prints them as a table.

// Rounds of a comparison: at least so many, and for at least so long.
const (
	leastRounds = 5
	leastTime   = 200 * time.Millisecond
)

// againstFloor runs work and floor in turns and compares the best of each, which other processes disturb least. It returns
// the best time of work.
func againstFloor(b *testing.B, work, floor func()) time.Duration {
	b.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	bestWork, bestFloor, spent := time.Hour, time.Hour, time.Duration(0)
	timed := func(best *time.Duration, do func()) {
		start := processorTime(b)
		do()
		took := processorTime(b) - start
		*best = min(*best, took)
		spent += took
	}
	for range b.N {
		for i := 0; i < leastRounds || spent < leastTime; i++ {
			timed(&bestWork, work)
			timed(&bestFloor, floor)
		}
	}
	b.ReportMetric(0, "ns/op") // of all rounds together, which says nothing
	b.ReportMetric(float64(bestWork.Nanoseconds())/1e3, "µs")
	b.ReportMetric(float64(bestFloor.Nanoseconds())/1e3, "floor-µs")
	b.ReportMetric(float64(bestWork)/float64(bestFloor), "x-floor")
	return bestWork
}

// processorTime is that of the whole process: what the garbage collector does counts.
func processorTime(b *testing.B) time.Duration {
	var r syscall.Rusage
	noError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// primitives are inputs for the library's operations.
type primitives struct {
	p  []bls.G1Affine
	q  []bls.G2Affine
	pb [G1Size]byte
	qb [G2Size]byte
	k  big.Int
}

func newPrimitives(b *testing.B, pairs int) *primitives {
	p, q := randomPoints(b, max(1, pairs))
	var k big.Int
	randomScalars(b, 1)[0].BigInt(&k)
	return &primitives{p, q, p[0].Bytes(), q[0].Bytes(), k}
}

func (x *primitives) hashes(n int) {
	msg := make([]byte, G1Size+64)
	for i := range n {
		msg[0] = byte(i)
		_, _ = bls.HashToG2(msg, []byte(hashToG2Tag))
	}
}

func (x *primitives) pairing(pairs int) {
	f, _ := bls.MillerLoop(x.p[:pairs], x.q[:pairs])
	bls.FinalExponentiation(&f)
}

func (x *primitives) decodings(g1, g2 int) {
	for range g1 {
		var p bls.G1Affine
		_, _ = p.SetBytes(x.pb[:])
	}
	for range g2 {
		var q bls.G2Affine
		_, _ = q.SetBytes(x.qb[:])
	}
}

func (x *primitives) multiplications(g1, g2 int) {
	var p bls.G1Affine
	for range g1 {
		p.ScalarMultiplication(&x.p[0], &x.k)
	}
	var q bls.G2Affine
	for range g2 {
		q.ScalarMultiplication(&x.q[0], &x.k)
	}
}

func BenchmarkEncrypt(b *testing.B) {
	keys, _ := deal(b, 4, 3)
	x := newPrimitives(b, 1)
	tx := make([]byte, 200)
	againstFloor(b, func() {
		_, err := Encrypt(rand.Reader, keys.Master(), tx)
		noError(b, err)
	}, func() {
		x.hashes(1)
		x.multiplications(2, 1)
	})
}

func BenchmarkHashToG2(b *testing.B) {
	x := newPrimitives(b, 1)
	msg := make([]byte, G1Size+64)
	againstFloor(b, func() {
		_, err := hashToG2(msg)
		noError(b, err)
	}, func() { x.hashes(1) })
}

func BenchmarkVerifyCiphertext(b *testing.B) {
	keys, _ := deal(b, 4, 3)
	raw := encrypted(b, keys, 1)[0].Ciphertext.Encode()
	x := newPrimitives(b, 2)
	againstFloor(b, func() {
		c, err := DecodeCiphertext(raw)
		noError(b, err)
		_, err = c.Verify()
		noError(b, err)
	}, func() {
		x.decodings(1, 1)
		x.hashes(1)
		x.pairing(2)
	})
}

func BenchmarkVerifyCiphertexts(b *testing.B) {
	keys, secrets := deal(b, 4, 3)
	for _, n := range []int{1, 10, 100, 500} {
		block := newRawBlock(b, keys, secrets[:1], n)
		b.Run(fmt.Sprintf("ciphertexts=%d", n), func(b *testing.B) {
			x := newPrimitives(b, 2*n)
			best := againstFloor(b, func() { block.verifyCiphertexts(b) }, func() {
				x.decodings(n, n)
				x.hashes(n)
				x.pairing(2 * n)
			})
			b.ReportMetric(float64(best.Microseconds())/float64(n), "µs/ciphertext")
		})
	}
}

func BenchmarkMakeShare(b *testing.B) {
	keys, secrets := deal(b, 4, 3)
	v, err := encrypted(b, keys, 1)[0].Ciphertext.Verify()
	noError(b, err)
	x := newPrimitives(b, 1)
	againstFloor(b, func() {
		_, err := secrets[0].Share(v)
		noError(b, err)
	}, func() { x.multiplications(1, 0) })
}

func BenchmarkVerifyShare(b *testing.B) {
	keys, secrets := deal(b, 4, 3)
	v, err := encrypted(b, keys, 1)[0].Ciphertext.Verify()
	noError(b, err)
	share, err := secrets[0].Share(v)
	noError(b, err)
	raw := share.Encode()
	x := newPrimitives(b, 2)
	againstFloor(b, func() {
		s, err := DecodeDecryptionShare(raw)
		noError(b, err)
		noError(b, secrets[0].Public().Verify(v, s))
	}, func() {
		x.decodings(1, 0)
		x.hashes(1)
		x.pairing(2)
	})
}

// BenchmarkVerifySharesFormat is the batch of one keyholder as the format defines it, from bytes.
func BenchmarkVerifySharesFormat(b *testing.B) {
	keys, secrets := deal(b, 4, 3)
	for _, n := range []int{1, 10, 100, 500} {
		block := newRawBlock(b, keys, secrets[:1], n)
		vs := block.verifyCiphertexts(b)
		b.Run(fmt.Sprintf("ciphertexts=%d", n), func(b *testing.B) {
			x := newPrimitives(b, 2*n)
			againstFloor(b, func() {
				noError(b, secrets[0].Public().VerifyBatch(vs, block.decodeShares(b)[0].Shares))
			}, func() {
				x.decodings(n, 0)
				x.hashes(n)
				x.pairing(2 * n)
			})
		})
	}
}

var committees = []struct{ n, threshold int }{{4, 3}, {7, 5}}

// BenchmarkVerifyShares is the batch of all keyholders' shares, from bytes.
func BenchmarkVerifyShares(b *testing.B) {
	for _, c := range committees {
		keys, secrets := deal(b, c.n, c.threshold)
		for _, n := range []int{1, 10, 100, 500} {
			block := newRawBlock(b, keys, secrets, n)
			vs := block.verifyCiphertexts(b)
			b.Run(fmt.Sprintf("keyholders=%d/ciphertexts=%d", c.n, n), func(b *testing.B) {
				x := newPrimitives(b, 2*n)
				best := againstFloor(b, func() { noError(b, keys.VerifyShares(vs, block.decodeShares(b))) }, func() {
					x.decodings(n*c.n, 0)
					x.hashes(n)
					x.pairing(2 * n)
				})
				b.ReportMetric(float64(best.Microseconds())/float64(n*c.n), "µs/share")
			})
		}
	}
}

// rawBlock is what comes over the wire.
type rawBlock struct {
	ciphertexts [][]byte
	shares      [][][]byte // by keyholder
}

func newRawBlock(b *testing.B, keys *PublicKeys, secrets []*KeyShare, n int) *rawBlock {
	payloads := encrypted(b, keys, n)
	vs, err := VerifyCiphertexts(ciphertexts(payloads))
	noError(b, err)
	block := new(rawBlock)
	for _, p := range payloads {
		block.ciphertexts = append(block.ciphertexts, p.Ciphertext.Encode())
	}
	for _, set := range shareSets(b, secrets, vs) {
		var raw [][]byte
		for _, s := range set.Shares {
			raw = append(raw, s.Encode())
		}
		block.shares = append(block.shares, raw)
	}
	return block
}

func (block *rawBlock) decodeCiphertexts(b *testing.B) []*Ciphertext {
	cs := make([]*Ciphertext, len(block.ciphertexts))
	var err error
	for i, raw := range block.ciphertexts {
		cs[i], err = DecodeCiphertext(raw)
		noError(b, err)
	}
	return cs
}

func (block *rawBlock) verifyCiphertexts(b *testing.B) []*Verified {
	vs, err := VerifyCiphertexts(block.decodeCiphertexts(b))
	noError(b, err)
	return vs
}

func (block *rawBlock) decodeShares(b *testing.B) []ShareSet {
	sets := make([]ShareSet, len(block.shares))
	for i, raws := range block.shares {
		sets[i].Authority = uint8(i)
		for _, raw := range raws {
			s, err := DecodeDecryptionShare(raw)
			noError(b, err)
			sets[i].Shares = append(sets[i].Shares, s)
		}
	}
	return sets
}

// BenchmarkVerifyOpenings is of ciphertexts with their openings, from bytes. The floor has the two Miller loops of each
// ciphertext and two for all openings; what is measured has n+3 in all.
func BenchmarkVerifyOpenings(b *testing.B) {
	keys, secrets := deal(b, 4, 3)
	for _, n := range []int{1, 10, 100, 500} {
		cs, openings := opened(b, keys, secrets, n)
		raws := make([][]byte, n)
		rawCiphertexts := make([][]byte, n)
		for i := range cs {
			point := openings[i].Bytes()
			raws[i], rawCiphertexts[i] = point[:], cs[i].Encode()
		}
		b.Run(fmt.Sprintf("ciphertexts=%d", n), func(b *testing.B) {
			x := newPrimitives(b, 2*n+2)
			best := againstFloor(b, func() {
				openings, _ := DecodeOpenings(raws)
				noError(b, keys.VerifyOpenings((&rawBlock{ciphertexts: rawCiphertexts}).decodeCiphertexts(b), openings))
			}, func() {
				x.decodings(2*n, n)
				x.hashes(n)
				x.pairing(2*n + 2)
			})
			b.ReportMetric(float64(best.Microseconds())/float64(n), "µs/opening")
		})
	}
}

func BenchmarkCombine(b *testing.B) {
	for _, c := range committees {
		keys, secrets := deal(b, c.n, c.threshold)
		vs, err := VerifyCiphertexts(ciphertexts(encrypted(b, keys, 1)))
		noError(b, err)
		var shares []*DecryptionShare
		for _, set := range shareSets(b, secrets, vs) {
			shares = append(shares, set.Shares[0])
		}
		b.Run(fmt.Sprintf("threshold=%d", c.threshold), func(b *testing.B) {
			x := newPrimitives(b, 1)
			againstFloor(b, func() {
				_, err := keys.Combine(shares)
				noError(b, err)
			}, func() { x.multiplications(c.threshold, 0) })
		})
	}
}

// BenchmarkSum compares ways to add up multiples with random coefficients; bucketsFrom comes from it.
func BenchmarkSum(b *testing.B) {
	for _, n := range []int{4, 16, 32, 64, 128, 256} {
		p, q := randomPoints(b, n)
		k := append(randomCoefficients(n)[1:], fr.NewElement(1))
		b.Run(fmt.Sprintf("G1/points=%d", n), func(b *testing.B) {
			againstFloor(b, func() { straus[bls.G1Affine, bls.G1Jac](p, k, bls.BatchJacobianToAffineG1) }, func() { _, _ = new(bls.G1Jac).MultiExp(p, k, tasks()) })
		})
		b.Run(fmt.Sprintf("G2/points=%d", n), func(b *testing.B) {
			againstFloor(b, func() { straus[bls.G2Affine, bls.G2Jac](q, k, batchAffineG2) }, func() { _, _ = new(bls.G2Jac).MultiExp(q, k, tasks()) })
		})
	}
}
