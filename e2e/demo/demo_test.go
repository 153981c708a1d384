package demo

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/oneprocess"
)

// TestTheBotGainsOnThePlainLaneOnly runs a short demo. All figures are the chain's.
func TestTheBotGainsOnThePlainLaneOnly(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	rounds, err := Run(ctx, Options{Devnet: oneprocess.Program(t), Dir: t.TempDir(), Rounds: 4, BlockTime: time.Second, Tolerance: 100}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	Report(t.Output(), rounds)
	for i, r := range rounds {
		if !r.Victim.Succeeded || !r.Attacked || r.Kept.Sign() != 0 {
			t.Errorf("round %d: the victim's swap failed, the bot did not attack, or it has coin left: %+v", i, r)
		}
		if r.Lane == Plain && !r.Readable {
			t.Errorf("round %d: a plain swap is not in the order as it is", i)
		}
		if r.Lane == Sealed && (r.Readable || r.SeenPending || r.InFront() || !r.Victim.Before(r.Buy) || !r.Victim.Before(r.Sale)) {
			t.Errorf("round %d: a sealed swap was read or attacked before its place was final: %+v", i, r)
		}
	}
	plain, sealed := TotalsOf(rounds, Plain), TotalsOf(rounds, Sealed)
	if plain.InFront == 0 || plain.Gained.Sign() <= 0 || plain.Lost().Sign() <= 0 {
		t.Errorf("the bot should gain on the plain lane: %+v", plain)
	}
	if sealed.Gained.Sign() != 0 || sealed.Lost().Sign() != 0 || sealed.Gas.Sign() <= 0 {
		t.Errorf("the bot should gain nothing on the sealed lane and pay for its gas, and the victim get what it was quoted: %+v", sealed)
	}
	if plain.Paid.Cmp(sealed.Paid) != 0 || plain.Quoted.Cmp(sealed.Quoted) != 0 {
		t.Errorf("the lanes differ in amounts or prices: %+v, %+v", plain, sealed)
	}
}

func TestADevnetThatDoesNotStartIsNamedWithItsReason(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := oneprocess.Start(t.Context(), missing, t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing program: %v", err)
	}
	if _, err := oneprocess.Start(t.Context(), oneprocess.Program(t), t.TempDir(), "--preblock-time", "-1s"); !errors.Is(err, oneprocess.ErrNoBanner) || !strings.Contains(err.Error(), "--preblock-time") {
		t.Errorf("a flag that the program refuses: %v", err)
	}
}

// The contracts are those of the source.
func TestTheBytecodeIsMadeFromTheSource(t *testing.T) {
	if testing.Short() {
		t.Skip("make quick starts no Node.js; make test does")
	}
	if _, err := os.Stat("contracts/node_modules"); err != nil {
		t.Fatalf("the compiler is not installed (make npm): %v", err)
	}
	compile := exec.Command("node", "compile.mjs")
	compile.Dir, compile.Stderr = "contracts", t.Output()
	made, err := compile.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, artifacts) {
		t.Error("exchange.json is not what exchange.sol compiles to: cd e2e/demo/contracts && npm ci && npm run build")
	}
}

// TestASandwichLeavesTheVictimItsMinimum: one unit more in front, and the victim would not trade.
func TestASandwichLeavesTheVictimItsMinimum(t *testing.T) {
	pool := reserves{cash: units(10_000_000), coin: units(10_000)}
	for _, tolerance := range []int64{0, 10, 100, 500} {
		t.Run(fmt.Sprint(tolerance), func(t *testing.T) {
			victim := swap{Buys: true, Paid: units(250_000)}
			victim.Minimum = pool.quote(true, victim.Paid)
			victim.Minimum.Mul(victim.Minimum, big.NewInt(10_000-tolerance)).Div(victim.Minimum, big.NewInt(10_000))
			s := pool.around(victim, fortune)
			got := func(pays *big.Int) *big.Int { return pool.after(true, pays).quote(true, victim.Paid) }
			if got(s.pays).Cmp(victim.Minimum) < 0 {
				t.Errorf("behind a purchase of %s the victim gets %s, less than %s", s.pays, got(s.pays), victim.Minimum)
			}
			if more := new(big.Int).Add(s.pays, big.NewInt(1)); got(more).Cmp(victim.Minimum) >= 0 {
				t.Errorf("the bot could buy for more than %s", s.pays)
			}
			if pays := s.profit.Cmp(units(1)) > 0; pays != (tolerance > 0) { // without a tolerance, what rounding leaves
				t.Errorf("with a tolerance of %d the profit is %s", tolerance, s.profit)
			}
		})
	}
	if s := pool.around(swap{Buys: true, Paid: units(250_000), Minimum: new(big.Int)}, units(5)); s.pays.Cmp(units(5)) >= 0 {
		t.Errorf("a bot that has 5 spends %s", s.pays)
	}
}

func TestThePictureShowsTheFigures(t *testing.T) {
	round := func(lane Lane, got, gained int64) Round {
		return Round{Lane: lane, Paid: units(100), Quoted: units(1000), Got: units(got), Gained: units(gained), Attacked: true}
	}
	plain := round(Plain, 990, 1234)
	plain.SeenPending = true
	drawn, err := Picture([]Round{plain, round(Sealed, 1000, -1)})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{">1.00 %<", ">1,234<", ">0.00 %<", ">-1<", "saw 1 of 1", "saw 0 of 1", "for 100 cash"} {
		if !bytes.Contains(drawn, []byte(want)) {
			t.Errorf("the picture does not show %q:\n%s", want, drawn)
		}
	}
	for decoder := xml.NewDecoder(bytes.NewReader(drawn)); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTokensAreWrittenForPeople(t *testing.T) {
	for want, amount := range map[string]*big.Int{"0": new(big.Int), "-1": units(-1), "-123,456": units(-123_456), "1,000": units(1000), "999": units(999), "12,345,678": units(12_345_678)} {
		if got := tokens(amount, 0); got != want {
			t.Errorf("%s is written %q, want %q", amount, got, want)
		}
	}
	if got := tokens(big.NewInt(1_500_000_000_000_000), 4); got != "0.0015" {
		t.Errorf("0.0015 is written %q", got)
	}
}
