package gateway

import (
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/outcome"
)

// certificate is nil when the DSN has no keyholders.
func certificate(c *preblockv1.Certificate) *gatewayv1.Certificate {
	if c == nil {
		return nil
	}
	return &gatewayv1.Certificate{
		ChainId: c.GetChainId(), CommitteeHash: hexBytes(c.GetCommitteeHash()), Number: c.GetNumber(), View: c.GetView(),
		PreviousPayloadHash: hexBytes(c.GetPreviousPayloadHash()), ContentHash: hexBytes(c.GetContentHash()),
		Attestations: attestations(c.GetAttestations()), Locks: attestations(c.GetLocks()),
	}
}

func attestations(list []*preblockv1.Attestation) []*gatewayv1.Attestation {
	out := make([]*gatewayv1.Attestation, len(list))
	for i, a := range list {
		out[i] = &gatewayv1.Attestation{Authority: a.GetAuthority(), Signature: hexBytes(a.GetSignature())}
	}
	return out
}

// outcomes are what the sealed transactions of a preblock were opened to, each with what its header says of it.
func outcomes(p *preblockv1.Preblock) []*gatewayv1.Outcome {
	txs := p.GetContent().GetTransactions()
	out := make([]*gatewayv1.Outcome, len(p.GetOutcomes()))
	for i, o := range p.GetOutcomes() {
		out[i] = &gatewayv1.Outcome{Index: o.GetIndex()}
		if uint64(o.GetIndex()) < uint64(len(txs)) {
			describe(out[i], txs[o.GetIndex()])
		}
		switch r := o.GetResult().(type) {
		case *preblockv1.Outcome_Opened:
			tx := r.Opened.GetTransaction()
			out[i].Result = &gatewayv1.Outcome_Opened{Opened: &gatewayv1.Opened{
				Seed: hexBytes(r.Opened.GetSeed()), Transaction: hexBytes(tx), TransactionHash: hashes([][]byte{tx})[0],
			}}
		case *preblockv1.Outcome_Unopenable:
			out[i].Result = &gatewayv1.Outcome_Unopenable{Unopenable: unopenable(r.Unopenable)}
		}
	}
	return out
}

func unopenable(u *preblockv1.Unopenable) *gatewayv1.Unopenable {
	out := &gatewayv1.Unopenable{Reason: outcome.ReasonText(u.GetReason())}
	for _, s := range u.GetShares() {
		out.Shares = append(out.Shares, &gatewayv1.ProvenShare{
			Authority: s.GetAuthority(), Share: hexBytes(s.GetShare()), Proof: hexBytes(s.GetProof()),
		})
	}
	return out
}

// describe adds the header of a sealed transaction. The monitor has checked that it is one.
func describe(o *gatewayv1.Outcome, raw []byte) {
	s, err := seal.Parse(raw)
	if err != nil {
		return
	}
	id := s.ID()
	o.Id, o.Submitter, o.Seq = hexBytes(id[:]), hexBytes(s.Submitter[:]), s.Seq
}
