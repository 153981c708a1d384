package term

import (
	"errors"
	"fmt"

	"blindseq/kit/content"
	"blindseq/proposer-svc/queue"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// Errors of steps that are retried.
var (
	ErrProducerBehind = errors.New("the leading producer has not applied the blueprint before yet")
	ErrBadContent     = errors.New("the leading producer gave a content that cannot be proposed")
	ErrPreblockLost   = errors.New("the DSN does not have a preblock that the producer applied")
)

const none = preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_UNSPECIFIED

// refusal says why a request gets no proposal on what the producer has, or none if it gets one.
func refusal(r queue.Request, p *blueprintv1.GetProposalContentResponse) preblockv1.NoPreblockReason {
	switch {
	case p.GetPoolLocked():
		return preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_LOCKED
	case r.Timestamp < p.GetHeadTimestamp().GetSeconds():
		return preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_TIMESTAMP_DECREASED
	case p.GetUpgradeDue() || p.GetWaiting() || r.Force:
		return none
	case len(p.GetContent().GetTransactions()) == 0 && len(p.GetContent().GetDelayedTransactionHashes()) == 0:
		return preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_EMPTY
	}
	return none
}

// proposal is the content to propose and its hash. What the DSN would refuse is refused here already.
func proposal(p *blueprintv1.GetProposalContentResponse) (*preblockv1.Content, []byte, error) {
	c := p.GetContent()
	if c != nil && p.GetUpgradeDue() {
		c.Transactions, c.DelayedTransactionHashes = nil, nil
	}
	if err := content.Check(c); err != nil {
		return nil, nil, fmt.Errorf("content of proposal %d: %w", c.GetNumber(), errors.Join(ErrBadContent, err))
	}
	hash := content.HashOf(c)
	return c, hash[:], nil
}
