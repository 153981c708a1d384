package rules_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"blindseq/seal/committee/committeetest"
	"blindseq/seal/rules"
)

// BenchmarkSingles is what the check of one transaction costs when so many callers bring one each at the same time.
func BenchmarkSingles(b *testing.B) {
	c := committeetest.New(b, 4, 3, 1)
	raws := make([][]byte, 256)
	for i := range raws {
		raws[i] = c.Sealed(make([]byte, 120))
	}
	for _, callers := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				checker := rules.NewChecker(c.Committee) // remembers nothing
				b.StartTimer()
				var next atomic.Int64
				var all sync.WaitGroup
				for range callers {
					all.Go(func() {
						for i := int(next.Add(1)) - 1; i < len(raws); i = int(next.Add(1)) - 1 {
							if errs := checker.CheckShared(raws[i : i+1]); errs[0] != nil {
								b.Error(errs[0])
							}
						}
					})
				}
				all.Wait()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(raws)), "µs/tx")
		})
	}
}
