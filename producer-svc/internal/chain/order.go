package chain

import (
	"container/heap"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// account is one sender's ready transactions, by nonce; its price is that of the first.
type account struct {
	address common.Address
	txs     []*types.Transaction
	tip     *big.Int
	checked bool // the first is known to have the nonce the state asks for
}

func (a *account) first() *types.Transaction { return a.txs[0] }
func (a *account) next()                     { a.txs = a.txs[1:] }

// skipTo leaves out what is executed already, and everything when the next nonce is not there.
func (a *account) skipTo(nonce uint64) {
	for len(a.txs) > 0 && a.txs[0].Nonce() < nonce {
		a.next()
	}
	if len(a.txs) > 0 && a.txs[0].Nonce() != nonce {
		a.txs = nil
	}
}

// priceOrder gives transactions as geth's block builder orders them: the best effective tip first, the earlier one of
// equals, each sender's by nonce. Geth's own ordering wants a copy of every pending transaction for each block; with a
// long backlog that costs more than choosing.
type priceOrder struct {
	accounts []*account
	baseFee  *big.Int
}

// newPriceOrder takes the lists of pending over.
func newPriceOrder(pending map[common.Address][]*types.Transaction, baseFee *big.Int) *priceOrder {
	o := &priceOrder{baseFee: baseFee}
	for address, txs := range pending {
		one := &account{address: address, txs: txs}
		if o.price(one) {
			o.accounts = append(o.accounts, one)
		}
	}
	heap.Init(o)
	return o
}

// price sets the tip of the first transaction, or says that it has none or cannot pay the base fee.
func (o *priceOrder) price(a *account) bool {
	if len(a.txs) == 0 {
		return false
	}
	tip, err := a.first().EffectiveGasTip(o.baseFee)
	a.tip = tip
	return err == nil
}

func (o *priceOrder) peek() *account {
	if len(o.accounts) == 0 {
		return nil
	}
	return o.accounts[0]
}

// fix puts the best account, whose first transaction has changed, where it belongs now.
func (o *priceOrder) fix() {
	if !o.price(o.accounts[0]) {
		o.drop()
		return
	}
	heap.Fix(o, 0)
}

// drop leaves out the rest of the best account: its transactions only go in order.
func (o *priceOrder) drop() { heap.Pop(o) }

func (o *priceOrder) Len() int      { return len(o.accounts) }
func (o *priceOrder) Swap(i, j int) { o.accounts[i], o.accounts[j] = o.accounts[j], o.accounts[i] }
func (o *priceOrder) Push(x any)    { o.accounts = append(o.accounts, x.(*account)) }

func (o *priceOrder) Less(i, j int) bool {
	a, b := o.accounts[i], o.accounts[j]
	if order := a.tip.Cmp(b.tip); order != 0 {
		return order > 0
	}
	return a.first().Time().Before(b.first().Time())
}

func (o *priceOrder) Pop() any {
	last := len(o.accounts) - 1
	one := o.accounts[last]
	o.accounts[last] = nil
	o.accounts = o.accounts[:last]
	return one
}
