package gateway

import (
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// certificate is nil when the DSN has no keyholders.
func certificate(c *preblockv1.Certificate) *gatewayv1.Certificate {
	if c == nil {
		return nil
	}
	out := &gatewayv1.Certificate{
		ChainId: c.GetChainId(), CommitteeHash: hexBytes(c.GetCommitteeHash()), Number: c.GetNumber(),
		PreviousPayloadHash: hexBytes(c.GetPreviousPayloadHash()), ContentHash: hexBytes(c.GetContentHash()),
	}
	for _, a := range c.GetAttestations() {
		out.Attestations = append(out.Attestations, &gatewayv1.Attestation{Authority: a.GetAuthority(), Signature: hexBytes(a.GetSignature())})
	}
	return out
}

func outcomes(p *preblockv1.Preblock) []*gatewayv1.Outcome {
	bundles := p.GetContent().GetTransactions()
	out := make([]*gatewayv1.Outcome, len(p.GetOutcomes()))
	for i, o := range p.GetOutcomes() {
		out[i] = &gatewayv1.Outcome{Index: o.GetIndex(), Opening: hexBytes(o.GetOpening())}
		if uint64(o.GetIndex()) < uint64(len(bundles)) {
			out[i].BundleHash = hashes(bundles[o.GetIndex():][:1])[0]
		}
		switch r := o.GetResult().(type) {
		case *preblockv1.Outcome_Decrypted:
			txs := r.Decrypted.GetTransactions()
			out[i].Result = &gatewayv1.Outcome_Decrypted{Decrypted: &gatewayv1.Decrypted{TransactionHashes: hashes(txs), Transactions: hexList(txs)}}
		case *preblockv1.Outcome_Undecryptable:
			out[i].Result = &gatewayv1.Outcome_Undecryptable{Undecryptable: undecryptable(r.Undecryptable)}
		}
	}
	return out
}

func undecryptable(u *preblockv1.Undecryptable) *gatewayv1.Undecryptable {
	return &gatewayv1.Undecryptable{
		Reason: enumName(u.GetReason().String(), "UNDECRYPTABLE_REASON_"), Text: u.GetText(),
		EarlierNumber: u.GetEarlierNumber(), EarlierIndex: u.GetEarlierIndex(),
	}
}
