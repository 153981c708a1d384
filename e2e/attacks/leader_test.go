package attacks

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"blindseq/e2e/cluster"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"google.golang.org/grpc/codes"
)

// propose submits a content as the leader.
func (s *scene) propose(c *preblockv1.Content) error {
	_, err := s.sequencer().SubmitProposal(s.t.Context(), &dsnv1.SubmitProposalRequest{Content: c, RequestId: "attack", Attempt: 1})
	return err
}

// mustAcceptNothing: a refused proposal changes nothing, and the honest leader goes on.
func (s *scene) mustAcceptNothing(accepted uint64) {
	s.t.Helper()
	status, err := s.sequencer().GetStatus(s.t.Context(), &dsnv1.GetStatusRequest{})
	must(s.t, err)
	if status.GetAcceptedNumber() != accepted {
		s.t.Errorf("number %d was accepted, want %d at most", status.GetAcceptedNumber(), accepted)
	}
}

// TestALeaderCannotHaveACopyOrdered: a leader who sees the victim's bytes in its pool proposes changed copies of them, and
// breaks the order of sealed and plain ones.
func TestALeaderCannotHaveACopyOrdered(t *testing.T) {
	t.Parallel()
	s := newScene(t, cluster.Options{})
	s.pool(true)
	inner, victim := s.sealed(s.accounts[0])
	must(t, s.send(victim.Encode()))
	for name, raw := range copies(t, victim.Encode()) {
		refused(t, name, s.propose(s.next(raw)), codes.InvalidArgument)
	}
	plain, err := s.accounts[1].Transfer(s.accounts[1].Address)
	must(t, err)
	front, err := plain.MarshalBinary()
	must(t, err)
	_, later := s.sealed(s.accounts[0])
	for name, c := range map[string]*preblockv1.Content{
		"a plain one before it":   s.next(front, victim.Encode()),
		"the same one twice":      s.next(victim.Encode(), victim.Encode()),
		"its submitter's second":  s.next(later.Encode()),
		"the second before first": s.next(later.Encode(), victim.Encode()),
	} {
		refused(t, name, s.propose(c), codes.InvalidArgument)
	}
	s.mustAcceptNothing(0)
	s.pool(false)
	s.receipt(inner.Hash())
}

// TestWhatWasOpenedIsNotOrderedAgain attacks the promise that nobody who has read a transaction puts anything before it: the
// leader has it opened, and orders it once more where it pleases, also after the sequencer and all keyholders were killed.
func TestWhatWasOpenedIsNotOrderedAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t, cluster.Options{})
	inner, victim := s.sealed(s.accounts[0])
	must(t, s.send(victim.Encode()))
	s.receipt(inner.Hash())
	s.pool(true)
	again := func() {
		t.Helper()
		refused(t, "the same bytes", s.propose(s.next(victim.Encode())), codes.InvalidArgument)
		s.mustAcceptNothing(1)
		if err := s.send(victim.Encode()); err == nil {
			t.Error("the pool took what is in a block")
		}
	}
	again()
	must(t, s.KillAll())
	must(t, s.StartAll(t.Context()))
	s.pool(true)
	again()
	s.pool(false)
	next, sealed := s.sealed(s.accounts[0])
	must(t, s.send(sealed.Encode()))
	s.receipt(next.Hash())
}

// TestGasBurnersDoNotKeepAnOpenedTransactionOut attacks the promise that what is opened is executed at its place: burners
// fill the block's gas in front of the victim, whom the next block then sandwiches.
func TestGasBurnersDoNotKeepAnOpenedTransactionOut(t *testing.T) {
	t.Parallel()
	s := newScene(t, cluster.Options{})
	s.pool(true)
	header, err := s.client.HeaderByNumber(t.Context(), nil)
	must(t, err)
	attacker := s.accounts[1]
	var burners []*types.Transaction
	for range 14 { // more than a block has gas for
		tx, err := attacker.Sign(&types.DynamicFeeTx{
			ChainID: new(big.Int).SetUint64(s.by.ChainID), GasTipCap: big.NewInt(50 * params.GWei), GasFeeCap: big.NewInt(60 * params.GWei),
			Gas: min(header.GasLimit/12, 16_000_000), Data: []byte{0x5b, 0x60, 0x00, 0x56}, // as init code: jump for ever
		})
		must(t, err)
		must(t, s.client.SendTransaction(t.Context(), tx))
		burners = append(burners, tx)
	}
	inner, victim := s.sealed(s.accounts[0])
	must(t, s.send(victim.Encode()))
	s.pool(false)
	r := s.receipt(inner.Hash())
	if r.BlockNumber.Uint64() != 1 || r.TransactionIndex != 0 {
		t.Errorf("the victim is transaction %d of block %s", r.TransactionIndex, r.BlockNumber)
	}
	for _, tx := range burners { // they are executed too, in this block or in later ones
		s.receipt(tx.Hash())
	}
}

// TestANonceThatIsNotDueEndsWithItsBlock attacks the same promise: an opened transaction that waits for its nonce would be
// executed when the leader likes.
func TestANonceThatIsNotDueEndsWithItsBlock(t *testing.T) {
	t.Parallel()
	s := newScene(t, cluster.Options{})
	victim := s.accounts[0]
	first, err := victim.Transfer(victim.Address)
	must(t, err)
	inner, sealed := s.sealed(victim) // nonce 1, while nonce 0 was not sent
	must(t, s.send(sealed.Encode()))
	s.eventually("the end of a transaction whose nonce is not due", func(context.Context) error { return s.ended(common.Hash(sealed.ID()), "nonce") })
	must(t, s.client.SendTransaction(t.Context(), first))
	s.receipt(first.Hash())
	other, err := s.accounts[1].Transfer(victim.Address)
	must(t, err)
	must(t, s.client.SendTransaction(t.Context(), other))
	s.receipt(other.Hash())
	if _, err := s.client.TransactionReceipt(t.Context(), inner.Hash()); err == nil {
		t.Error("it was executed later")
	}
	if _, pending, err := s.client.TransactionByHash(t.Context(), inner.Hash()); err == nil && pending {
		t.Error("it waits in a pool")
	}
}

// ended says whether a transaction has ended for a reason.
func (s *scene) ended(id common.Hash, reason string) error {
	if e := s.status(id); e.Status != "ended" || !strings.Contains(e.Reason, reason) {
		return fmt.Errorf("it is %+v", e)
	}
	return nil
}
