package outcome_test

import (
	"fmt"
	"testing"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/outcome"

	"github.com/ethereum/go-ethereum/common"
)

// BenchmarkVerify is of preblocks whose sealed transactions are all opened, as monitor-svc checks them.
func BenchmarkVerify(b *testing.B) {
	c := committeetest.New(b, 4, 3, 1)
	for _, n := range []int{1, 10, 100} {
		content := &preblockv1.Content{Number: 1}
		for i := range n {
			content.Transactions = append(content.Transactions, c.Sealed([]byte{1, byte(i)}))
		}
		p, _ := c.Preblock(content, common.Hash{})
		b.Run(fmt.Sprintf("sealed=%d", n), func(b *testing.B) {
			for b.Loop() {
				if err := outcome.Verify(c.Committee, p); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/tx")
		})
	}
}
