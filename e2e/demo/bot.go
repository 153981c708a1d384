package demo

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"blindseq/e2e/load"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/ethclient/gethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

// bot puts a purchase in front of somebody's and sells behind it. It is the same in both lanes and does not know which one a swap
// came by: it watches the pending transactions of both, and the swaps in blocks for those that it has not seen pending.
//
// It is careful: its purchase names the price that it expects in front of the victim, and fails where it would get less. So it loses
// nothing but gas when it comes too late, and has its fortune for every attack.
type bot struct {
	*sender
	market  *market
	account *load.Account

	pending chan *types.Transaction
	swapped chan types.Log
	lost    chan error // a subscription ended
	attacks chan attack
	seen    map[common.Hash]bool
}

// attack is what the bot did about one swap.
type attack struct {
	victim  common.Hash
	pending bool // it saw the swap before it was in a block
	before  *types.Transaction
	behind  *types.Transaction
}

// watching is how many events wait for the bot.
const watching = 4096

// newBot subscribes at the WebSockets of both ports. Whoever calls it calls run.
func newBot(ctx context.Context, s *sender, m *market, account *load.Account, sockets ...*rpc.Client) (*bot, error) {
	b := &bot{
		sender: s, market: m, account: account, seen: map[common.Hash]bool{}, attacks: make(chan attack, watching),
		pending: make(chan *types.Transaction, watching), swapped: make(chan types.Log, watching), lost: make(chan error, 1+len(sockets)),
	}
	for _, socket := range sockets {
		sub, err := gethclient.New(socket).SubscribeFullPendingTransactions(ctx, b.pending)
		if err != nil {
			return nil, fmt.Errorf("watch pending transactions: %w", err)
		}
		go b.guard(ctx, sub)
	}
	sub, err := ethclient.NewClient(sockets[0]).SubscribeFilterLogs(ctx, ethereum.FilterQuery{
		Addresses: []common.Address{m.pool}, Topics: [][]common.Hash{{m.Pool.ABI.Events["Swapped"].ID}},
	}, b.swapped)
	if err != nil {
		return nil, fmt.Errorf("watch the pool: %w", err)
	}
	go b.guard(ctx, sub)
	return b, nil
}

var errUnsubscribed = errors.New("a subscription ended")

func (b *bot) guard(ctx context.Context, sub ethereum.Subscription) {
	defer sub.Unsubscribe()
	select {
	case err := <-sub.Err():
		b.lost <- errors.Join(errUnsubscribed, err)
	case <-ctx.Done():
	}
}

// run attacks until ctx ends.
func (b *bot) run(ctx context.Context) error {
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case err = <-b.lost:
		case tx := <-b.pending:
			err = b.look(ctx, tx, nil)
		case log := <-b.swapped:
			err = b.late(ctx, log)
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("the bot: %w", err)
		}
	}
}

// late looks at a swap in a block. What was pending it has seen before.
func (b *bot) late(ctx context.Context, log types.Log) error {
	if b.seen[log.TxHash] {
		return nil
	}
	tx, _, err := b.client.TransactionByHash(ctx, log.TxHash)
	if err != nil {
		return fmt.Errorf("get transaction %s: %w", log.TxHash, err)
	}
	return b.look(ctx, tx, new(big.Int).SetUint64(log.BlockNumber-1))
}

// look attacks a purchase of somebody else's, at the prices of a block, or of the last one. In the lane where it sees a swap only when
// it is in a block, those before it are the only ones at which a sandwich would pay.
func (b *bot) look(ctx context.Context, tx *types.Transaction, block *big.Int) error {
	victim, err := b.market.swapOf(tx)
	if errors.Is(err, errNoSwap) || b.seen[tx.Hash()] {
		return nil
	}
	b.seen[tx.Hash()] = true
	from, err := types.LatestSignerForChainID(b.chainID).Sender(tx)
	if err != nil || from == b.account.Address || !victim.Buys {
		return err
	}
	prices, err := b.market.reserves(ctx, block)
	if err != nil {
		return err
	}
	s := prices.around(victim, fortune)
	if s.profit.Sign() <= 0 {
		return nil
	}
	return b.attack(ctx, attack{victim: tx.Hash(), pending: block == nil}, s)
}

// attack sends the purchase and the sale together. Their tips put them around the victim's transaction, if all three are still to be
// ordered.
func (b *bot) attack(ctx context.Context, a attack, s sandwich) (err error) {
	if a.before, err = b.swap(swap{Buys: true, Paid: s.pays, Minimum: s.gets}, beforeTip); err != nil {
		return err
	}
	if a.behind, err = b.swap(swap{Buys: false, Paid: s.gets, Minimum: new(big.Int)}, behindTip); err != nil {
		return err
	}
	batch := make([]rpc.BatchElem, 2)
	for i, tx := range []*types.Transaction{a.before, a.behind} {
		raw, err := tx.MarshalBinary()
		if err != nil {
			return err
		}
		batch[i] = rpc.BatchElem{Method: "eth_sendRawTransaction", Args: []any{hexutil.Bytes(raw)}, Result: new(common.Hash)}
	}
	err = b.client.Client().BatchCallContext(ctx, batch)
	if err = errors.Join(err, batch[0].Error, batch[1].Error); err != nil {
		return fmt.Errorf("send the sandwich: %w", err)
	}
	b.attacks <- a
	return nil
}

func (b *bot) swap(s swap, tip int64) (*types.Transaction, error) {
	data, err := b.market.swapData(s)
	if err != nil {
		return nil, err
	}
	return b.sign(b.account, &b.market.pool, data, swapGas, tip)
}
