package chain_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
)

// BenchmarkRecover is one signature recovered on one processor: what a build without a C compiler pays more for.
func BenchmarkRecover(b *testing.B) {
	key, err := crypto.GenerateKey()
	must(b, err)
	digest := crypto.Keccak256([]byte("digest"))
	signature, err := crypto.Sign(digest, key)
	must(b, err)
	for b.Loop() {
		_, err := crypto.Ecrecover(digest, signature)
		must(b, err)
	}
}
