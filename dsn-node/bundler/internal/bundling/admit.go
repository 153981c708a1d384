package bundling

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/dsn-node/internal/plaintx"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"golang.org/x/sync/errgroup"
)

// transaction is one of a wallet, checked for what can be seen without its sender's state.
type transaction struct {
	*plaintx.Tx
	raw      []byte
	signers  []common.Address // of its authorisations (EIP-7702), in their order; the zero address for one that nobody signed for this chain
	accounts []common.Address // its sender, and each signer once
}

// check refuses what no sealed transaction of this chain can be.
func (d *Intake) check(raw []byte) (*transaction, error) {
	tx, err := plaintx.Check(raw, d.o.Committee.ChainID)
	if err != nil {
		return nil, err
	}
	if _, err := gasOf(tx.Gas(), d.o.Committee.Limits); err != nil {
		return nil, err
	}
	if err := tx.CheckRuns(); err != nil {
		return nil, err
	}
	if tx.GasTipCap().Sign() == 0 {
		return nil, ErrTip
	}
	t := &transaction{Tx: tx, raw: raw, accounts: []common.Address{tx.From}}
	seen := map[common.Address]bool{tx.From: true, {}: true}
	for _, auth := range tx.SetCodeAuthorizations() {
		signer, err := auth.Authority()
		if err != nil || !auth.ChainID.IsZero() && auth.ChainID.CmpBig(tx.ChainId()) != 0 {
			signer = common.Address{} // blocks skip it
		}
		t.signers = append(t.signers, signer)
		if !seen[signer] {
			seen[signer], t.accounts = true, append(t.accounts, signer)
		}
	}
	return t, nil
}

// admission is what a transaction that can run is sealed with, or queued.
type admission struct {
	lead
	leaders  outbox.Answer
	use      outbox.Use
	early    uint64 // the nonce that is due, if the transaction's comes later and it has to be queued; valid with queue
	queue    bool
	replaces *outbox.Item // the queued one whose place it takes
}

// admit refuses what would end for certain as things stand (rule E3). Leader and observer are asked at the same time, the leader
// only when nothing that is sealed waits here: its answer counts only then.
func (d *Intake) admit(ctx context.Context, tx *transaction) (a admission, err error) {
	var leaders outbox.Answer
	g, asking := errgroup.WithContext(ctx)
	if d.o.Box.Sealed() == 0 {
		g.Go(func() error {
			return persist(asking, func(ctx context.Context) (err error) {
				leaders.Mine, leaders.Known = d.o.Box.NextSeq(), true
				leaders.Leaders, err = d.o.Leader.NextSeq(ctx, d.o.submitter())
				return err
			})
		})
	}
	g.Go(func() error {
		var least uint64
		return persist(asking, func(ctx context.Context) (err error) {
			a, err = d.fits(ctx, tx, &least)
			return err
		})
	})
	err = g.Wait()
	a.leaders, a.NextSeq = leaders, leaders.Leaders
	return a, err
}

// fits judges a transaction by what the observer says and what waits here. What left the outbox is in a block, which the observer
// must have, or a nonce would seem too high. Who seems to have no money may have just got it: the observer must have the block that the
// leader has now, which least keeps.
func (d *Intake) fits(ctx context.Context, tx *transaction, least *uint64) (a admission, err error) {
	s, err := d.o.Observer.Sender(ctx, rollup.Question{Hash: tx.Hash(), From: tx.From, Accounts: tx.accounts})
	if err != nil {
		return a, err
	}
	a = admission{lead: lead{Tip: s.Tip}, use: outbox.Use{Cost: tx.Cost()}}
	err = d.judge(tx, s, &a)
	if *least == 0 && errors.Is(err, ErrFunds) {
		if leaders, away := d.o.Leader.Tip(ctx); away == nil {
			*least = leaders.Head
		}
	}
	if known := max(*least, d.o.Box.LastOrdered()); s.Head < known {
		return a, behind(s.Head, known)
	}
	if !a.queue {
		a.use.Nonces = d.uses(tx, s.Nonces)
	}
	return a, err
}

// judge refuses with the words of geth, which libraries know.
func (d *Intake) judge(tx *transaction, s rollup.Sender, a *admission) error {
	mined := s.Nonces[tx.From]
	a.early = d.o.Box.NextNonce(tx.From, mined)
	a.queue = tx.Nonce() > a.early
	switch {
	case tx.Nonce() < mined:
		return fmt.Errorf("%w: next nonce %d, tx nonce %d", ErrNonce, mined, tx.Nonce())
	case s.Shown:
		return ErrShown
	case tx.Nonce() < a.early:
		return fmt.Errorf("%w: a transaction with nonce %d is sealed already, and what is sealed cannot be replaced", ErrReplaced, tx.Nonce())
	}
	if err := d.replace(tx, a); err != nil {
		return err
	}
	if tx.GasFeeCap().Cmp(s.BaseFee) < 0 {
		return fmt.Errorf("%w: maxFeePerGas: %s, baseFee: %s", ErrFee, tx.GasFeeCap(), s.BaseFee)
	}
	return d.afford(tx, mined, s.Balance)
}

// afford refuses what its sender cannot pay for, together with everything of it that waits here.
func (d *Intake) afford(tx *transaction, mined uint64, balance *big.Int) error {
	spent := d.o.Box.Spent(tx.From, mined, tx.Nonce())
	over := new(big.Int).Add(tx.Cost(), spent)
	switch over.Sub(over, balance); {
	case over.Sign() <= 0:
		return nil
	case spent.Sign() == 0:
		return fmt.Errorf("%w: balance %s, tx cost %s, overshot %s", ErrFunds, balance, tx.Cost(), over)
	}
	return fmt.Errorf("%w: balance %s, queued cost %s, tx cost %s, overshot %s", ErrFunds, balance, spent, tx.Cost(), over)
}

// priceBump is by how many percent both prices of a transaction must be above those of the queued one that it replaces, as in
// geth's pool.
const priceBump = 10

// replace notes the queued transaction of the same nonce, if it may be replaced.
func (d *Intake) replace(tx *transaction, a *admission) error {
	old, there := d.o.Box.Queued(tx.From, tx.Nonce())
	if !there || old.Hash == tx.Hash() {
		return nil
	}
	content, err := d.o.Box.Content(old.Hash)
	if err != nil || content == nil { // it has ended meanwhile
		return err
	}
	before := new(types.Transaction)
	if err := before.UnmarshalBinary(content.Raw); err != nil {
		return fmt.Errorf("read queued transaction: %w", err)
	}
	if !bumped(before.GasFeeCap(), tx.GasFeeCap()) || !bumped(before.GasTipCap(), tx.GasTipCap()) {
		return ErrReplaced
	}
	a.replaces = &old
	return nil
}

// bumped says whether a price is enough above another one.
func bumped(from, to *big.Int) bool {
	least := new(big.Int).Mul(from, big.NewInt(100+priceBump))
	return to.Cmp(from) > 0 && to.Cmp(least.Div(least, big.NewInt(100))) >= 0
}

// uses are the nonces that authorisations will use: those that are due when the transaction is executed after all that wait. Others
// are skipped in its block and use none.
func (d *Intake) uses(tx *transaction, mined map[common.Address]uint64) (used []outbox.AccountNonce) {
	next := map[common.Address]uint64{tx.From: tx.Nonce() + 1}
	for i, auth := range tx.SetCodeAuthorizations() {
		signer := tx.signers[i]
		if signer == (common.Address{}) {
			continue
		}
		due, seen := next[signer]
		if !seen {
			due = d.o.Box.NextNonce(signer, mined[signer])
		}
		if auth.Nonce == due {
			used, due = append(used, outbox.AccountNonce{Account: signer, Nonce: due}), due+1
		}
		next[signer] = due
	}
	return used
}
