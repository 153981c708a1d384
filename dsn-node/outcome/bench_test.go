package outcome_test

import (
	"testing"

	"blindseq/dsn-node/committee/committeetest"
	"blindseq/dsn-node/outcome"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/common"
)

// BenchmarkVerify is of a preblock with 50 bundles, all decrypted: what monitor-svc checks, and what `dsn-node inspect` does
// besides.
func BenchmarkVerify(b *testing.B) {
	const bundles = 50
	c := committeetest.New(b, 4, 3, 1)
	content := &preblockv1.Content{Number: 1}
	for i := range bundles {
		content.Transactions = append(content.Transactions, c.Bundle([]byte{1, byte(i)}))
	}
	p, _ := c.Preblock(content, common.Hash{})
	for name, verify := range map[string]func() error{
		"hashes":   func() error { return outcome.Verify(c.Keys, p, nil) },
		"openings": func() error { return outcome.VerifyOpenings(c.Keys, p) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := verify(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/bundles, "µs/bundle")
		})
	}
}
