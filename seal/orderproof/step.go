package orderproof

import (
	"errors"
	"fmt"

	"blindseq/seal"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// ErrNoPreconfirmation says that a step does not show a place in the order.
var ErrNoPreconfirmation = errors.New("the step shows no place in the order")

// Step is a step of a transaction, as te_subscribe("transaction", hash) notifies of it.
type Step struct {
	// Step is pending, sealed, final, opened, executed or ended. The last two are the last step.
	Step string      `json:"step"`
	Hash common.Hash `json:"hash"` // what was subscribed to
	// ID is, at a bundler, that of the sealed transaction that the one subscribed to is in.
	ID               *common.Hash    `json:"id,omitempty"`
	BlockNumber      *hexutil.Uint64 `json:"blockNumber,omitempty"`
	TransactionHash  *common.Hash    `json:"transactionHash,omitempty"`  // of what is inside a sealed one, from opened on
	TransactionIndex *hexutil.Uint64 `json:"transactionIndex,omitempty"` // of executed
	Reason           string          `json:"reason,omitempty"`           // of ended
	Barred           bool            `json:"barred,omitempty"`           // of ended
	// Proof shows, of final, that the place is final. A list of more than 64 KiB is left out of it.
	Proof *Proof `json:"proof,omitempty"`
}

// Last says whether no step follows.
func (s *Step) Last() bool { return s.Step == "executed" || s.Step == "ended" }

// VerifyPreconfirmation checks that a quorum of the committee has made final, for the number that the step names, a list in which what
// the step is of has the place of the proof. Nothing of who sent the step is believed.
func (s *Step) VerifyPreconfirmation(c *committee.Committee) error {
	of := s.Hash
	if s.ID != nil {
		of = *s.ID
	}
	if s.Step != "final" || s.Proof == nil || s.Proof.Transactions == nil {
		return fmt.Errorf("verify preconfirmation of %s: %w", of, ErrNoPreconfirmation)
	}
	if err := s.Proof.Verify(c); err != nil {
		return err
	}
	raw, stands := s.Proof.Transactions[s.Proof.Position], s.Proof.Hash
	if seal.IsSealed(raw) {
		sealed, err := seal.Parse(raw)
		if err != nil {
			return fmt.Errorf("verify preconfirmation of %s: %w", of, err)
		}
		stands = common.Hash(sealed.ID())
	}
	switch {
	case stands != of:
		return fmt.Errorf("verify preconfirmation of %s: %w: %s stands at this place", of, ErrNotOrdered, stands)
	case s.BlockNumber == nil || *s.BlockNumber != s.Proof.Number:
		return fmt.Errorf("verify preconfirmation of %s: %w: the proof is of number %d", of, ErrNotOrdered, uint64(s.Proof.Number))
	}
	return nil
}
