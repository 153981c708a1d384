package demo

import (
	"fmt"
	"io"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/params"
)

// line is what is printed of a round.
func (r Round) line(n int) string {
	var did string
	switch {
	case !r.Attacked:
		did = "the bot saw nothing it could attack"
	case r.InFront():
		did = fmt.Sprintf("the bot bought in front and gained %s", tokens(r.Gained, 0))
	case r.SeenPending:
		did = "the bot saw it pending and came too late"
	default:
		did = "the bot saw it when it was in a block, and landed behind"
	}
	return fmt.Sprintf("%2d %-6s paid %7s, got %8s of %8s: %s", n, r.Lane, tokens(r.Paid, 0), tokens(r.Got, 3), tokens(r.Quoted, 3), did)
}

// Totals are the figures of a lane's rounds.
type Totals struct {
	Rounds, Readable               int
	SeenPending, InFront           int
	Paid, Quoted, Got, Gained, Gas *big.Int
}

// TotalsOf adds up the rounds of a lane.
func TotalsOf(rounds []Round, lane Lane) Totals {
	t := Totals{Paid: new(big.Int), Quoted: new(big.Int), Got: new(big.Int), Gained: new(big.Int), Gas: new(big.Int)}
	for _, r := range rounds {
		if r.Lane != lane {
			continue
		}
		t.Rounds++
		if r.Readable {
			t.Readable++
		}
		if r.SeenPending {
			t.SeenPending++
		}
		if r.InFront() {
			t.InFront++
		}
		t.Paid.Add(t.Paid, r.Paid)
		t.Quoted.Add(t.Quoted, r.Quoted)
		t.Got.Add(t.Got, r.Got)
		t.Gained.Add(t.Gained, r.Gained)
		if r.Gas != nil {
			t.Gas.Add(t.Gas, r.Gas)
		}
	}
	return t
}

// Lost is what the victim got less than it was quoted, in coin.
func (t Totals) Lost() *big.Int { return new(big.Int).Sub(t.Quoted, t.Got) }

// lostShare is the same in percent.
func (t Totals) lostShare() float64 {
	share, _ := new(big.Rat).SetFrac(t.Lost(), t.Quoted).Float64()
	return 100 * share
}

// Report prints the figures of both lanes beside each other.
func Report(out io.Writer, rounds []Round) {
	plain, sealed := TotalsOf(rounds, Plain), TotalsOf(rounds, Sealed)
	row := func(what string, value func(Totals) string) {
		fmt.Fprintf(out, "%-36s %20s %20s\n", what, value(plain), value(sealed))
	}
	of := func(n int, t Totals) string { return fmt.Sprintf("%d of %d", n, t.Rounds) }
	fmt.Fprintln(out)
	fmt.Fprintf(out, "%-36s %20s %20s\n", "", "plain lane", "sealed lane")
	row("The victim paid (cash)", func(t Totals) string { return tokens(t.Paid, 0) })
	row("was quoted (coin)", func(t Totals) string { return tokens(t.Quoted, 3) })
	row("and got (coin)", func(t Totals) string { return tokens(t.Got, 3) })
	row("that is less by", func(t Totals) string { return fmt.Sprintf("%.2f %%", t.lostShare()) })
	row("In the signed order it was readable", func(t Totals) string { return of(t.Readable, t) })
	row("The bot saw the swap pending", func(t Totals) string { return of(t.SeenPending, t) })
	row("bought in front of it", func(t Totals) string { return of(t.InFront, t) })
	row("gained (cash)", func(t Totals) string { return tokens(t.Gained, 0) })
	row("and paid for gas (ETH)", func(t Totals) string { return tokens(t.Gas, 6) })
}

// tokens writes an amount in whole tokens, with so many decimals and a comma between thousands.
func tokens(amount *big.Int, decimals int) string {
	text := new(big.Rat).SetFrac(amount, big.NewInt(params.Ether)).FloatString(decimals)
	whole, fraction, _ := strings.Cut(text, ".")
	sign := ""
	if rest, negative := strings.CutPrefix(whole, "-"); negative {
		sign, whole = "-", rest
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return sign + whole
}
