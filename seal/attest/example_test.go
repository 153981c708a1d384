package attest_test

import (
	"fmt"
	"time"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// A certificate shows that a quorum signed one statement. Whoever verifies it compares the statement with the content.
func ExampleVerify() {
	c := committeetest.ForExample(4, 3, 1)
	content := &preblockv1.Content{
		Number: 1, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(1_700_000_000, 0)),
		Transactions: [][]byte{[]byte("a transaction")},
	}
	certificate, _ := c.Certify(content, common.Hash{})

	statement, err := attest.Verify(c.Committee, certificate)
	if err != nil {
		panic(err)
	}
	fmt.Println("this content:", statement == attest.StatementOf(c.Committee, content, common.Hash{}))

	content.Transactions[0] = []byte("another one")
	fmt.Println("another content:", statement == attest.StatementOf(c.Committee, content, common.Hash{}))

	certificate.Attestations = certificate.Attestations[1:]
	_, err = attest.Verify(c.Committee, certificate)
	fmt.Println("below the quorum:", err != nil)
	// Output:
	// this content: true
	// another content: false
	// below the quorum: true
}
