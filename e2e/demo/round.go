package demo

import (
	"bytes"
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"time"

	"blindseq/kit/retry"
	"blindseq/seal/committee"
	"blindseq/seal/orderproof"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

// Lane is a way to send a transaction.
type Lane string

// The lanes: to the gateway as it is, or to the bundler, which seals it.
const (
	Plain  Lane = "plain"
	Sealed Lane = "sealed"
)

// Place is where a transaction was executed.
type Place struct {
	Block     uint64
	Index     uint
	Succeeded bool
}

// Before reports whether the place is in front of another.
func (p Place) Before(other Place) bool {
	return p.Block < other.Block || p.Block == other.Block && p.Index < other.Index
}

// Round is one swap of the victim and what the bot did about it. Amounts are in the tokens' smallest unit, as the chain says.
type Round struct {
	Lane   Lane
	Paid   *big.Int // cash, by the victim
	Quoted *big.Int // coin, when the victim signed
	Got    *big.Int // coin, by the victim
	Gained *big.Int // cash, by the bot; less than 0 for a loss
	Kept   *big.Int // coin that the bot did not sell
	Gas    *big.Int // wei that the bot paid

	Attacked    bool // the bot sent a sandwich
	SeenPending bool // it saw the swap before it was in a block
	Readable    bool // whoever saw the order before it was final could read the swap in it
	Victim      Place
	Buy, Sale   Place // of the bot
}

// InFront reports whether the bot bought in front of the victim.
func (r Round) InFront() bool { return r.Attacked && r.Buy.Succeeded && r.Buy.Before(r.Victim) }

// stage is what rounds need.
type stage struct {
	*sender
	market    *market
	who       people
	bot       *bot
	lanes     map[Lane]*ethclient.Client
	committee *committee.Committee
	tolerance int64         // of the victim, in hundredths of a percent
	pause     time.Duration // the victim sends within this time
}

// attackTimeout is how long a round waits for the bot after the victim's swap is in a block.
const attackTimeout = 20 * time.Second

// play is one round: the same reserves, the victim's purchase, what the bot does, and what everybody has then.
func (s *stage) play(ctx context.Context, lane Lane, paid *big.Int) (r Round, err error) {
	r = Round{Lane: lane, Paid: paid}
	start, err := s.reset(ctx)
	if err != nil {
		return r, err
	}
	tx, quoted, err := s.purchase(ctx, paid)
	if err != nil {
		return r, err
	}
	r.Quoted = quoted
	if err := retry.Sleep(ctx, rand.N(s.pause)); err != nil { // so that it comes at any time between two blocks
		return r, err
	}
	if err := s.lanes[lane].SendTransaction(ctx, tx); err != nil {
		return r, fmt.Errorf("send the victim's swap: %w", err)
	}
	end, err := s.awaitAll(ctx, &r, tx)
	if err != nil {
		return r, err
	}
	if r.Readable, err = s.readable(ctx, tx); err != nil {
		return r, err
	}
	return r, s.settle(ctx, &r, start, end)
}

// readable looks at what the keyholders signed to be the order: it holds the victim's swap as it is, or sealed.
func (s *stage) readable(ctx context.Context, tx *types.Transaction) (bool, error) {
	var proof orderproof.Proof
	if err := s.client.Client().CallContext(ctx, &proof, "te_getOrderProof", tx.Hash()); err != nil {
		return false, fmt.Errorf("get the order proof of the victim's swap: %w", err)
	}
	if err := proof.Verify(s.committee); err != nil {
		return false, err
	}
	return bytes.Contains(proof.Transactions[proof.Position], tx.Data()), nil
}

// reset gives the pool its reserves, and returns the block in which it has them.
func (s *stage) reset(ctx context.Context) (*big.Int, error) {
	data, err := s.market.Pool.ABI.Pack("setReserves", poolCash, poolCoin)
	if err != nil {
		return nil, err
	}
	tx, err := s.sign(s.who.owner, &s.market.pool, data, otherGas, victimTip)
	if err != nil {
		return nil, err
	}
	if err := s.client.SendTransaction(ctx, tx); err != nil {
		return nil, fmt.Errorf("set the pool's reserves: %w", err)
	}
	receipt, err := s.receipt(ctx, tx.Hash())
	if err != nil || receipt.Status != types.ReceiptStatusSuccessful {
		return nil, fmt.Errorf("set the pool's reserves: receipt %+v: %w", receipt, err)
	}
	return receipt.BlockNumber, nil
}

// purchase signs the victim's swap, at the price it sees and with what it tolerates.
func (s *stage) purchase(ctx context.Context, paid *big.Int) (tx *types.Transaction, quoted *big.Int, err error) {
	quote, err := s.market.read(ctx, &s.market.Pool, s.market.pool, nil, "quote", true, paid)
	if err != nil {
		return nil, nil, err
	}
	quoted = quote[0]
	minimum := new(big.Int).Mul(quoted, big.NewInt(10_000-s.tolerance))
	data, err := s.market.swapData(swap{Buys: true, Paid: paid, Minimum: minimum.Div(minimum, big.NewInt(10_000))})
	if err != nil {
		return nil, nil, err
	}
	tx, err = s.sign(s.who.victim, &s.market.pool, data, swapGas, victimTip)
	return tx, quoted, err
}

// awaitAll waits until the victim's swap and what the bot sent are in blocks, and returns the last of these.
func (s *stage) awaitAll(ctx context.Context, r *Round, tx *types.Transaction) (*big.Int, error) {
	victim, err := s.receipt(ctx, tx.Hash())
	if err != nil {
		return nil, err
	}
	r.Victim = placeOf(victim)
	var a attack
	select {
	case a = <-s.bot.attacks:
	case <-time.After(attackTimeout):
		return victim.BlockNumber, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if a.victim != tx.Hash() {
		return nil, fmt.Errorf("the bot attacked %s, not %s", a.victim, tx.Hash())
	}
	r.Attacked, r.SeenPending = true, a.pending
	buy, err := s.receipt(ctx, a.before.Hash())
	if err != nil {
		return nil, err
	}
	sale, err := s.receipt(ctx, a.behind.Hash())
	if err != nil {
		return nil, err
	}
	r.Buy, r.Sale = placeOf(buy), placeOf(sale)
	r.Gas = new(big.Int).Add(feeOf(buy), feeOf(sale))
	return new(big.Int).SetUint64(max(r.Victim.Block, r.Sale.Block)), nil
}

// settle reads what the round changed, from the chain.
func (s *stage) settle(ctx context.Context, r *Round, start, end *big.Int) (err error) {
	m, victim, bot := s.market, s.who.victim.Address, s.who.bot.Address
	if r.Got, err = s.change(ctx, m.coin, victim, start, end); err != nil {
		return err
	}
	if r.Gained, err = s.change(ctx, m.cash, bot, start, end); err != nil {
		return err
	}
	r.Kept, err = s.change(ctx, m.coin, bot, start, end)
	return err
}

// change is by how much an account's balance of a token grew between two blocks.
func (s *stage) change(ctx context.Context, token, of common.Address, start, end *big.Int) (*big.Int, error) {
	before, err := s.market.balance(ctx, token, of, start)
	if err != nil {
		return nil, err
	}
	after, err := s.market.balance(ctx, token, of, end)
	if err != nil {
		return nil, err
	}
	return after.Sub(after, before), nil
}

func (s *stage) receipt(ctx context.Context, hash common.Hash) (*types.Receipt, error) {
	receipt, err := bind.WaitMined(ctx, s.client, hash)
	if err != nil {
		return nil, fmt.Errorf("wait for transaction %s: %w", hash, err)
	}
	return receipt, nil
}

func placeOf(r *types.Receipt) Place {
	return Place{Block: r.BlockNumber.Uint64(), Index: r.TransactionIndex, Succeeded: r.Status == types.ReceiptStatusSuccessful}
}

func feeOf(r *types.Receipt) *big.Int {
	return new(big.Int).Mul(r.EffectiveGasPrice, new(big.Int).SetUint64(r.GasUsed))
}
