package inspect

import (
	"bytes"
	"encoding/json"
	"fmt"

	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/orderproof"
)

// proofObject is the answer of te_getOrderProof.
type proofObject struct{ *orderproof.Proof }

// decodeProof takes no field that it does not know: what is shown as valid is all there is.
func decodeProof(fields map[string]any) (object, error) {
	b, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	p := new(orderproof.Proof)
	if err := decoder.Decode(p); err != nil {
		return nil, fmt.Errorf("%w: order proof: %w", ErrUnknown, err)
	}
	return shown{&proofObject{p}}, nil
}

func (o *proofObject) show(p *page) {
	p.title("order proof of %s", o.Hash)
	p.line("number", "%d", uint64(o.Number))
	if o.Transactions == nil {
		p.line("position", "said to be %d: the list was left out, so that only its hash is verified (te_getOrderProof has the list)", uint64(o.Position))
	} else {
		p.line("position", "%d of %d transactions, the first is 0; %d delayed ones come before them",
			uint64(o.Position), len(o.Transactions), len(o.DelayedTransactions))
	}
	if position := uint64(o.Position); position < uint64(len(o.Transactions)) {
		form := "plain"
		if seal.IsSealed(o.Transactions[position]) {
			form = "sealed"
		}
		p.line("ordered as", "%s, %d bytes", form, len(o.Transactions[position]))
	}
	p.line("list hash", "%s", o.ListHash)
	p.line("parent", "%s", o.PreviousBlockHash)
	p.line("chain", "%d", uint64(o.ChainID))
	p.line("committee", "%s", o.CommitteeHash)
	p.line("base fee", "%d", uint64(o.BaseFee))
	p.line("follows statement", "%s", o.PreviousPayloadHash)
	p.line("view", "%d", uint64(o.View))
	for _, a := range o.Attestations {
		p.line("attested by", "authority %d", uint64(a.Authority))
	}
	for _, a := range o.Locks {
		p.line("locked by", "authority %d", uint64(a.Authority))
	}
}

// verify verifies no place when the list was left out: show says so.
func (o *proofObject) verify(c *committee.Committee) error {
	if o.Transactions == nil {
		return o.VerifyCertificate(c)
	}
	return o.Verify(c)
}
