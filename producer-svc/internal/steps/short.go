package steps

import (
	"blindseq/producer-svc/blueprint"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// Short is a step without the list of a content that is too long to be pushed.
func Short(s *blueprintv1.TransactionStep) *blueprintv1.TransactionStep {
	f := s.GetFinal()
	if f == nil || blueprint.ListIsShort(f.GetContent()) {
		return s
	}
	c := f.GetContent()
	return &blueprintv1.TransactionStep{
		Kind: s.GetKind(), Number: s.GetNumber(), Position: s.GetPosition(),
		Final: &preblockv1.Final{ContentHash: f.GetContentHash(), Certificate: f.GetCertificate(), Content: &preblockv1.Content{
			Number: c.GetNumber(), PreviousBlockHash: c.GetPreviousBlockHash(), Timestamp: c.GetTimestamp(),
			DelayedTransactionHashes: c.GetDelayedTransactionHashes(), BaseFee: c.GetBaseFee(),
		}},
	}
}
