package demo

import (
	"context"
	"fmt"
	"math/big"

	"blindseq/e2e/load"
	"blindseq/producer-svc/devaccounts"

	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
)

const (
	swapGas   = 150_000
	createGas = 2_000_000
	otherGas  = 150_000
)

// tips (wei for a unit of gas) are the order of plain transactions in a block: whoever offers more is earlier.
const (
	victimTip  = params.GWei
	beforeTip  = victimTip * 2
	behindTip  = victimTip / 2
	trafficTip = victimTip / 10
	feeCap     = 100 * params.GWei
)

// people are the accounts of the demo: who owns the pool, who trades, who wants to profit from it, and somebody who has nothing to
// do with it, whose transfers fill blocks.
type people struct{ owner, victim, bot, other *load.Account }

func newPeople(chainID *big.Int) (people, error) {
	all, err := devaccounts.All()
	if err != nil {
		return people{}, err
	}
	account := func(i int) *load.Account { return load.NewAccount(all[i].Key, chainID) }
	return people{owner: account(0), victim: account(1), bot: account(2), other: account(3)}, nil
}

// units is a number of whole tokens in their smallest unit.
func units(whole int64) *big.Int {
	return new(big.Int).Mul(big.NewInt(whole), big.NewInt(params.Ether))
}

// What there is at the beginning of each round: a coin costs 1,000 of cash.
var (
	poolCash = units(10_000_000)
	poolCoin = units(10_000)
	fortune  = units(1_000_000_000) // cash that victim and bot begin with
	supply   = units(10_000_000_000)
	anyValue = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
)

// sender signs transactions and sends them in the plain lane.
type sender struct {
	client  *ethclient.Client
	chainID *big.Int
}

// sign signs a transaction with the account's next nonce; without to it creates a contract.
func (s *sender) sign(from *load.Account, to *common.Address, data []byte, gas uint64, tip int64) (*types.Transaction, error) {
	return from.Sign(&types.DynamicFeeTx{
		ChainID: s.chainID, GasTipCap: big.NewInt(tip), GasFeeCap: big.NewInt(feeCap), Gas: gas, To: to, Data: data,
	})
}

// await waits for the receipts of transactions that must succeed.
func (s *sender) await(ctx context.Context, txs ...*types.Transaction) error {
	for _, tx := range txs {
		receipt, err := bind.WaitMined(ctx, s.client, tx.Hash())
		if err != nil {
			return fmt.Errorf("wait for transaction %s: %w", tx.Hash(), err)
		}
		if receipt.Status != types.ReceiptStatusSuccessful {
			return fmt.Errorf("transaction %s failed in block %s", tx.Hash(), receipt.BlockNumber)
		}
	}
	return nil
}

// opening is the transactions that open the market, in the order in which they are made.
type opening struct {
	*sender
	txs []*types.Transaction
	err error
}

func (o *opening) send(ctx context.Context, from *load.Account, to *common.Address, data []byte, gas uint64) {
	if o.err != nil {
		return
	}
	tx, err := o.sign(from, to, data, gas, victimTip)
	if err == nil {
		err = o.client.SendTransaction(ctx, tx)
	}
	o.txs, o.err = append(o.txs, tx), err
}

// create sends a creation and returns where the contract will be.
func (o *opening) create(ctx context.Context, by *load.Account, c *contract, args ...any) common.Address {
	at := crypto.CreateAddress(by.Address, by.Nonce)
	data, err := c.creation(args...)
	if o.err == nil {
		o.err = err
	}
	o.send(ctx, by, nil, data, createGas)
	return at
}

func (o *opening) call(ctx context.Context, by *load.Account, c *contract, to common.Address, method string, args ...any) {
	data, err := c.ABI.Pack(method, args...)
	if o.err == nil {
		o.err = err
	}
	o.send(ctx, by, &to, data, otherGas)
}

// openMarket puts tokens and pool on the chain, gives victim and bot their fortunes, and lets the pool take what they trade.
func openMarket(ctx context.Context, s *sender, who people) (*market, error) {
	m := &market{client: s.client}
	var err error
	if m.contracts, err = readContracts(); err != nil {
		return nil, err
	}
	o := &opening{sender: s}
	m.cash = o.create(ctx, who.owner, &m.Token, "Demo cash", "CASH", supply)
	m.coin = o.create(ctx, who.owner, &m.Token, "Demo coin", "COIN", supply)
	m.pool = o.create(ctx, who.owner, &m.Pool, m.cash, m.coin)
	for _, trader := range []*load.Account{who.victim, who.bot} {
		o.call(ctx, who.owner, &m.Token, m.cash, "transfer", trader.Address, fortune)
	}
	for _, trader := range []*load.Account{who.owner, who.victim, who.bot} {
		for _, token := range []common.Address{m.cash, m.coin} {
			o.call(ctx, trader, &m.Token, token, "approve", m.pool, anyValue)
		}
	}
	if o.err != nil {
		return nil, fmt.Errorf("open the market: %w", o.err)
	}
	return m, s.await(ctx, o.txs...)
}
