package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"blindseq/producer-svc/internal/txstore"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee"
	"blindseq/seal/orderproof"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// orderProofTimeout bounds the call for the preblock.
const orderProofTimeout = 5 * time.Second

var errNotOrdered = errors.New("it is in no applied block")

// Prover shows where a transaction was ordered, plain or sealed.
type Prover struct {
	Transactions
	Monitor   preblockv1.MonitorServiceClient
	Committee *committee.Committee // nil when nothing is certified
}

// Proof proves where a transaction was ordered. For one that came sealed it is the place of its sealed bytes. The log
// holds what was executed; the list that was ordered is the DSN's, so it is fetched, and checked before it is shown.
func (p Prover) Proof(ctx context.Context, hash common.Hash) (any, error) {
	if p.Committee == nil {
		return nil, fmt.Errorf("prove order of %s: %w", hash, orderproof.ErrUncertified)
	}
	number, place, err := p.place(hash)
	if err != nil {
		return nil, fmt.Errorf("prove order of %s: %w", hash, err)
	}
	ctx, cancel := context.WithTimeout(ctx, orderProofTimeout)
	defer cancel()
	answer, err := p.Monitor.GetPreblock(ctx, &preblockv1.GetPreblockRequest{Number: number})
	if err != nil {
		return nil, fmt.Errorf("prove order of %s: get preblock %d: %w", hash, number, err)
	}
	if place < 0 {
		place = positionOf(answer.GetPreblock(), hash)
	}
	proof, err := orderproof.Of(answer.GetPreblock(), place)
	if err != nil {
		return nil, err
	}
	return proof, proof.Verify(p.Committee)
}

// Ordered finds the content that ordered a transaction, and its place there; nil when nothing is certified, when the DSN has forgotten
// it, or when it is a delayed transaction, which stands beside the list. number is where the transaction is said to be.
func (p Prover) Ordered(ctx context.Context, hash common.Hash, number uint64) (*preblockv1.Final, int, error) {
	if p.Committee == nil {
		return nil, 0, nil
	}
	at, place, err := p.place(hash)
	switch {
	case errors.Is(err, errNotOrdered): // its block is not applied yet
		at, place = number, -1
	case err != nil:
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, orderProofTimeout)
	defer cancel()
	answer, err := p.Monitor.GetPreblock(ctx, &preblockv1.GetPreblockRequest{Number: at})
	if status.Code(err) == codes.NotFound {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("get preblock %d: %w", at, err)
	}
	found := answer.GetPreblock()
	if place < 0 {
		place = positionOf(found, hash)
	}
	if place < 0 {
		return nil, 0, nil
	}
	return &preblockv1.Final{Content: found.GetContent(), ContentHash: found.GetContentHash(), Certificate: found.GetCertificate()}, place, nil
}

// place finds the blueprint that has a hash, and the place of the sealed transaction in its preblock; -1 for a plain one.
func (t Transactions) place(hash common.Hash) (number uint64, place int, err error) {
	one, rec, err := t.find(hash)
	if err != nil {
		return 0, 0, err
	}
	if one != nil {
		return rec.GetNumber(), int(one.GetIndex()), nil
	}
	if rec != nil { // it waited for gas: it stands in an earlier list than that of its block
		return rec.GetNumber(), -1, nil
	}
	state, number, _, err := t.Plain.Status(hash)
	if err != nil {
		return 0, 0, err
	}
	if state != txstore.StateIncluded && state != txstore.StateSkipped {
		return 0, 0, fmt.Errorf("%w: it is %s", errNotOrdered, state)
	}
	if rec, err = t.Records(number); err != nil {
		return 0, 0, err
	}
	for _, one := range rec.GetSealed() {
		if inside := one.GetTransactionHash(); len(inside) > 0 && common.Hash(inside) == hash {
			return number, int(one.GetIndex()), nil
		}
	}
	return number, -1, nil
}

// positionOf is -1 when the list does not have the hash: a delayed transaction is ordered by its hash, beside the list.
func positionOf(p *preblockv1.Preblock, hash common.Hash) int {
	for i, raw := range p.GetContent().GetTransactions() {
		if txstore.HashOf(raw) == hash {
			return i
		}
	}
	return -1
}
