package outcome_test

import (
	"fmt"
	"testing"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/outcome"

	"github.com/ethereum/go-ethereum/common"
)

// BenchmarkVerify is of preblocks whose bundles are all decrypted, as monitor-svc checks them.
func BenchmarkVerify(b *testing.B) {
	c := committeetest.New(b, 4, 3, 1)
	for _, bundles := range []int{1, 10, 100} {
		content := &preblockv1.Content{Number: 1}
		for i := range bundles {
			content.Transactions = append(content.Transactions, c.Bundle([]byte{1, byte(i)}))
		}
		p, _ := c.Preblock(content, common.Hash{})
		b.Run(fmt.Sprintf("bundles=%d", bundles), func(b *testing.B) {
			for b.Loop() {
				if err := outcome.Verify(c.Keys, p, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(bundles), "µs/bundle")
		})
	}
}
