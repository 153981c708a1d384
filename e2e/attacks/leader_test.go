package attacks

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"blindseq/e2e/cluster"
	"blindseq/e2e/load"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
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
	front := encoded(t, plain)[0]
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
	burners := s.burners(14)
	for _, tx := range burners {
		must(t, s.client.SendTransaction(t.Context(), tx))
	}
	inner, victim := s.sealed(s.accounts[0])
	must(t, s.send(victim.Encode()))
	s.pool(false)
	s.mustBeFirst(inner, 1)
	for _, tx := range burners { // they are executed too, in this block or in later ones
		s.receipt(tx.Hash())
	}
}

// TestAFullWaitingRoomDoesNotKeepAnOpenedTransactionOut attacks the same promise by a leader who orders more than a block has
// gas for, and the victim in the next content: what waits goes behind the victim.
func TestAFullWaitingRoomDoesNotKeepAnOpenedTransactionOut(t *testing.T) {
	t.Parallel()
	s := newScene(t, cluster.Options{})
	s.pool(true)
	inner, victim := s.sealed(s.accounts[0])
	must(t, s.send(victim.Encode()))
	burners := s.burners(30)
	must(t, s.propose(s.next(encoded(t, burners...)...)))
	s.eventually("the preblock of burners", func(context.Context) error {
		if s.lastNumber() == 0 {
			return errors.New("it is not fixed")
		}
		return nil
	})
	s.pool(false)
	s.mustBeFirst(inner, 2)
	if first, last := s.receipt(burners[0].Hash()), s.receipt(burners[len(burners)-1].Hash()); first.BlockNumber.Uint64() != 1 || last.BlockNumber.Uint64() <= 2 {
		t.Errorf("the burners are in blocks %s to %s: they did not fill two", first.BlockNumber, last.BlockNumber)
	}
}

// burners are the attacker's transactions that use all the gas they may, a twelfth of a block's.
func (s *scene) burners(n int) (all []*types.Transaction) {
	s.t.Helper()
	header, err := s.client.HeaderByNumber(s.t.Context(), nil)
	must(s.t, err)
	for range n {
		tx, err := s.accounts[1].Sign(&types.DynamicFeeTx{
			ChainID: new(big.Int).SetUint64(s.by.ChainID), GasTipCap: big.NewInt(50 * params.GWei), GasFeeCap: big.NewInt(60 * params.GWei),
			Gas: min(header.GasLimit/12, 16_000_000), Data: []byte{0x5b, 0x60, 0x00, 0x56}, // as init code: jump for ever
		})
		must(s.t, err)
		all = append(all, tx)
	}
	return all
}

func encoded(t *testing.T, txs ...*types.Transaction) (raws [][]byte) {
	t.Helper()
	for _, tx := range txs {
		raw, err := tx.MarshalBinary()
		must(t, err)
		raws = append(raws, raw)
	}
	return raws
}

func (s *scene) mustBeFirst(victim *types.Transaction, block uint64) {
	s.t.Helper()
	if r := s.receipt(victim.Hash()); r.BlockNumber.Uint64() != block || r.TransactionIndex != 0 {
		s.t.Errorf("the victim is transaction %d of block %s, want the first of %d", r.TransactionIndex, r.BlockNumber, block)
	}
}

// TestANonceThatIsNotDueEndsWithItsBlock attacks the same promise: an opened transaction that waits for its nonce would be
// executed when the leader likes.
func TestANonceThatIsNotDueEndsWithItsBlock(t *testing.T) {
	t.Parallel()
	s := newScene(t, cluster.Options{})
	victim := s.accounts[0]
	inner := s.endedTooEarly(victim)
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

// TestWhatHasEndedIsNotExecutedLater attacks what is left of the same promise: everybody can read the transaction now and send
// it as it is, when its nonce is due. The pool refuses it, and a leader who orders it all the same has it skipped.
func TestWhatHasEndedIsNotExecutedLater(t *testing.T) {
	t.Parallel()
	s := newScene(t, cluster.Options{})
	victim := s.accounts[0]
	inner := s.endedTooEarly(victim)
	raw, err := inner.MarshalBinary()
	must(t, err)
	if err := s.send(raw); err == nil || !strings.Contains(err.Error(), "it has ended") {
		t.Errorf("the pool says %v", err)
	}
	must(t, s.propose(s.next(raw)))
	other, err := s.accounts[1].Transfer(victim.Address)
	must(t, err)
	must(t, s.client.SendTransaction(t.Context(), other))
	if r := s.receipt(other.Hash()); r.BlockNumber.Uint64() < 4 {
		t.Errorf("the leader's content is not block 3: block %s has another", r.BlockNumber)
	}
	if _, err := s.client.TransactionReceipt(t.Context(), inner.Hash()); err == nil {
		t.Error("it was executed later")
	}
	if e := s.status(inner.Hash()); e.Status != "skipped" || e.BlockNumber != 3 {
		t.Errorf("it is %+v", e)
	}
}

// endedTooEarly is an account's transaction that was opened before its nonce was due and has ended. Its nonce is due now.
func (s *scene) endedTooEarly(a *load.Account) (inner *types.Transaction) {
	s.t.Helper()
	first, err := a.Transfer(a.Address)
	must(s.t, err)
	inner, sealed := s.sealed(a) // nonce 1, while nonce 0 was not sent
	must(s.t, s.send(sealed.Encode()))
	s.eventually("the end of a transaction whose nonce is not due", func(context.Context) error { return s.ended(common.Hash(sealed.ID()), "nonce") })
	must(s.t, s.client.SendTransaction(s.t.Context(), first))
	s.receipt(first.Hash())
	return inner
}

// ended says whether a transaction has ended for a reason.
func (s *scene) ended(id common.Hash, reason string) error {
	if e := s.status(id); e.Status != "ended" || !strings.Contains(e.Reason, reason) {
		return fmt.Errorf("it is %+v", e)
	}
	return nil
}

// TestALeaderThatLiesOfTheBlockBeforeStopsNothing attacks the promise that what is opened is executed at its place: keyholders have no
// chain, so they cannot check the parent and the base fee that a content names. It is executed all the same, and both lies are
// named. What they can check, they refuse.
func TestALeaderThatLiesOfTheBlockBeforeStopsNothing(t *testing.T) {
	t.Parallel()
	s := newScene(t, cluster.Options{})
	inner, first := s.sealed(s.accounts[0])
	must(t, s.send(first.Encode()))
	s.receipt(inner.Hash())
	s.pool(true)
	victim, sealed := s.sealed(s.accounts[1])
	c := s.next(sealed.Encode())
	for name, change := range map[string]func(c *preblockv1.Content){
		"a timestamp before the last":    func(c *preblockv1.Content) { c.Timestamp.Seconds = 1 },
		"a base fee that nobody can pay": func(c *preblockv1.Content) { c.BaseFee = 1 << 63 },
	} {
		bad := proto.CloneOf(c)
		change(bad)
		refused(t, name, s.propose(bad), codes.InvalidArgument, codes.FailedPrecondition)
		for authority := range s.by.Size() {
			_, err := s.attest(authority, bad)
			refused(t, name, err, codes.InvalidArgument)
		}
	}
	c.PreviousBlockHash[5] ^= 1
	c.BaseFee = 1
	must(t, s.propose(c))
	s.pool(false)
	next, good := s.sealed(s.accounts[1])
	must(t, s.send(good.Encode()))
	s.receipt(next.Hash())
	if r := s.receipt(victim.Hash()); r.BlockNumber.Uint64() != c.GetNumber() || r.TransactionIndex != 0 {
		t.Errorf("the victim is transaction %d of block %s", r.TransactionIndex, r.BlockNumber)
	}
	s.eventually("the alarms", func(context.Context) error {
		log := string(s.Process(cluster.Producer).Tail(16 << 20))
		for _, claim := range []string{"what=parent", "what=base_fee"} {
			if !strings.Contains(log, claim) {
				return fmt.Errorf("there is no %s in the log", claim)
			}
		}
		return nil
	})
}
