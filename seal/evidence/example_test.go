package evidence_test

import (
	"errors"
	"fmt"

	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/evidence"

	"github.com/ethereum/go-ethereum/common"
)

// Two signatures of one keyholder under two contents for one number convict it. One signature proves nothing.
func ExampleEquivocation() {
	c := committeetest.ForExample(4, 3, 1)
	statement := attest.Statement{ChainID: c.ChainID, Committee: c.Hash(), Number: 7, Content: common.Hash{1}}
	first, err := statement.Sign(c.Identities[2], 2, 0)
	if err != nil {
		panic(err)
	}
	statement.Content = common.Hash{2}
	second, err := statement.Sign(c.Identities[2], 2, 0)
	if err != nil {
		panic(err)
	}

	record := evidence.Equivocation(c.Committee, first, second)
	if err := evidence.Verify(c.Committee, record); err != nil {
		panic(err)
	}
	fmt.Println("keyholder", record.GetAuthority(), "is convicted of", evidence.Kind(record))

	err = evidence.Verify(c.Committee, evidence.Equivocation(c.Committee, first, first))
	fmt.Println("one signature proves nothing:", errors.Is(err, evidence.ErrNoProof))
	// Output:
	// keyholder 2 is convicted of equivocation
	// one signature proves nothing: true
}
