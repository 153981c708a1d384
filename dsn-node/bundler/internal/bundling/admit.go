package bundling

import (
	"context"
	"fmt"
	"math/big"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/dsn-node/internal/plaintx"

	"github.com/ethereum/go-ethereum/common"
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
	if err := tx.CheckGas(); err != nil {
		return nil, err
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

// admission is what a transaction that can run is sealed with.
type admission struct {
	lead
	leaders outbox.Answer
	use     outbox.Use
}

// admit refuses what would end for certain as things stand (rule E3). Leader and observer are asked at the same time, the leader
// only when nothing waits here: its answer counts only then.
func (d *Intake) admit(ctx context.Context, tx *transaction) (a admission, err error) {
	var leaders outbox.Answer
	g, asking := errgroup.WithContext(ctx)
	if d.o.Box.Len() == 0 {
		g.Go(func() error {
			return persist(asking, func(ctx context.Context) (err error) {
				leaders.Mine, leaders.Known = d.o.Box.NextSeq(), true
				leaders.Leaders, err = d.o.Leader.NextSeq(ctx, d.o.submitter())
				return err
			})
		})
	}
	g.Go(func() error {
		return persist(asking, func(ctx context.Context) (err error) {
			a, err = d.fits(ctx, tx)
			return err
		})
	})
	err = g.Wait()
	a.leaders, a.NextSeq = leaders, leaders.Leaders
	return a, err
}

// fits judges a transaction by what the observer says and what waits here. What left the outbox is in a block, which the observer
// must have, or a nonce would seem too high.
func (d *Intake) fits(ctx context.Context, tx *transaction) (a admission, err error) {
	s, err := d.o.Observer.Sender(ctx, rollup.Question{Hash: tx.Hash(), From: tx.From, Accounts: tx.accounts})
	if err != nil {
		return a, err
	}
	a = admission{lead: lead{Tip: s.Tip}, use: outbox.Use{Nonces: d.uses(tx, s.Nonces), Cost: tx.Cost()}}
	err = d.judge(tx, s)
	if known := d.o.Box.LastOrdered(); s.Head < known {
		return a, fmt.Errorf("%w: it is at block %d, and %d is known", rollup.ErrObserver, s.Head, known)
	}
	return a, err
}

func (d *Intake) judge(tx *transaction, s rollup.Sender) error {
	mined := s.Nonces[tx.From]
	next := d.o.Box.NextNonce(tx.From, mined)
	spent := d.o.Box.Spent(tx.From, mined)
	switch {
	case tx.Nonce() < mined:
		return fmt.Errorf("%w too low: next nonce %d, tx nonce %d", ErrNonce, mined, tx.Nonce())
	case tx.Nonce() < next:
		return fmt.Errorf("%w: next nonce %d, tx nonce %d", ErrTaken, next, tx.Nonce())
	case tx.Nonce() > next:
		return fmt.Errorf("%w: next nonce %d, tx nonce %d; send the ones between first", ErrTooHigh, next, tx.Nonce())
	case s.Shown:
		return ErrShown
	case tx.GasFeeCap().Cmp(s.BaseFee) < 0:
		return fmt.Errorf("%w: fee cap %s, base fee %s", ErrFee, tx.GasFeeCap(), s.BaseFee)
	case s.Balance.Cmp(new(big.Int).Add(tx.Cost(), spent)) < 0:
		return fmt.Errorf("%w: balance %s, tx cost %s, and %s for those that wait", ErrFunds, s.Balance, tx.Cost(), spent)
	}
	return nil
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
