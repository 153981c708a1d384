package demo

import "math/big"

// reserves are what a pool has. The functions here are those of the contract, for a bot that looks ahead.
type reserves struct{ cash, coin *big.Int }

// quote is what a trade gives.
func (r reserves) quote(buys bool, paid *big.Int) *big.Int {
	from, to := r.cash, r.coin
	if !buys {
		from, to = to, from
	}
	counted := new(big.Int).Mul(paid, big.NewInt(997))
	below := new(big.Int).Mul(from, big.NewInt(1000))
	return counted.Div(new(big.Int).Mul(to, counted), below.Add(below, counted))
}

// after are the reserves when the trade was made.
func (r reserves) after(buys bool, paid *big.Int) reserves {
	got := r.quote(buys, paid)
	if buys {
		return reserves{cash: new(big.Int).Add(r.cash, paid), coin: new(big.Int).Sub(r.coin, got)}
	}
	return reserves{cash: new(big.Int).Sub(r.cash, got), coin: new(big.Int).Add(r.coin, paid)}
}

// sandwich is what a bot does around somebody's purchase.
type sandwich struct {
	pays   *big.Int // cash, before the purchase
	gets   *big.Int // coin, which it sells behind it
	profit *big.Int // cash
}

// around is the sandwich with the greatest profit: the more the bot buys first, the less the victim gets, and below its minimum it
// would buy nothing. Of this the price behind grows, so the bot takes all that the minimum leaves.
func (r reserves) around(victim swap, has *big.Int) sandwich {
	low, high := new(big.Int), new(big.Int).Set(has) // the victim trades behind a purchase of low
	for one := big.NewInt(1); new(big.Int).Sub(high, low).Cmp(one) > 0; {
		middle := new(big.Int).Add(low, high)
		middle.Rsh(middle, 1)
		if r.after(true, middle).quote(true, victim.Paid).Cmp(victim.Minimum) >= 0 {
			low = middle
		} else {
			high = middle
		}
	}
	s := sandwich{pays: low, gets: r.quote(true, low)}
	behind := r.after(true, low).after(true, victim.Paid)
	s.profit = behind.quote(false, s.gets)
	s.profit.Sub(s.profit, s.pays)
	return s
}
