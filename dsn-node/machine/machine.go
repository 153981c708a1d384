// Package machine shows the pure decisions of the DSN node to the simulator (blindseq/e2e/sim), which runs the very same
// functions as the services: what the sequencer takes and fixes, how a round goes on, what a keyholder signs. They live in
// internal packages, as nobody else is to build on them; everything here is a name for something there.
package machine

import (
	"blindseq/dsn-node/attest"
	"blindseq/dsn-node/internal/holder"
	"blindseq/dsn-node/internal/order"
	"blindseq/dsn-node/internal/round"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
)

// The sequencer's decision; see package order.
type (
	Order          = order.State
	OrderEvent     = order.Event
	OrderEffect    = order.Effect
	Submitted      = order.Submitted
	ProposalStored = order.ProposalStored
	Due            = order.Due
	PreblockStored = order.PreblockStored
	AnswerAccepted = order.AnswerAccepted
	StoreProposal  = order.StoreProposal
	StorePreblock  = order.StorePreblock
	Publish        = order.Publish
)

// NewOrder is the state of a sequencer that has decided nothing yet.
func NewOrder(first uint64) Order { return order.New(first) }

// RecoveredOrder is the state after a restart.
func RecoveredOrder(first, accepted, fixed uint64) (Order, error) {
	return order.Recovered(first, accepted, fixed)
}

// NextOrder is the transition table.
func NextOrder(s Order, e OrderEvent) (Order, []OrderEffect, error) { return order.Next(s, e) }

// The round of one number; see package round.
type (
	Round       = round.State
	RoundEvent  = round.Event
	RoundEffect = round.Effect
	Set         = round.Set
	Attested    = round.Attested
	Planned     = round.Planned
	Answered    = round.Answered
	Checked     = round.Checked
	Certify     = round.Certify
	Check       = round.Check
	Decide      = round.Decide
)

// NewRound is the state of a round that begins.
func NewRound(quorum, threshold int, bundles bool) Round {
	return round.New(quorum, threshold, bundles)
}

// NextRound is the transition table.
func NextRound(s Round, e RoundEvent) (Round, []RoundEffect, error) { return round.Next(s, e) }

// Position is where a keyholder's next statement has to stand; see package holder.
type Position = holder.Position

// Follow decides whether a statement about a number that was not attested yet may be signed.
func Follow(p Position, s attest.Statement) keyholderv1.AttestRefusal { return holder.Follow(p, s) }

// Again decides about a number that was attested, and for which perhaps something else was adopted.
func Again(signed, adopted, s attest.Statement) keyholderv1.AttestRefusal {
	return holder.Again(signed, adopted, s)
}
