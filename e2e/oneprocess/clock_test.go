package oneprocess_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"blindseq/e2e/load"
	"blindseq/e2e/oneprocess"
	"blindseq/producer-svc/devaccounts"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

const (
	kills = 6
	step  = 1000 // seconds that each call moves the clock
)

// TestAMoveOfTheClockSurvivesAKill kills the devnet while its clock is moved. After the restart, the clock is where the answered calls have
// moved it, and where the one without an answer has, or has not; and all parts take part in blocks of that time.
func TestAMoveOfTheClockSurvivesAKill(t *testing.T) {
	program, dir := oneprocess.Program(t), t.TempDir()
	keys, err := devaccounts.All()
	must(t, err)
	random := rand.New(rand.NewPCG(3, 4))
	answered, last := int64(0), uint64(0)
	for round := range kills {
		d, err := oneprocess.Start(t.Context(), program, dir)
		must(t, err)
		plain, sealed := client(t, d.Plain), client(t, d.Sealed)
		ahead := move(t, plain, 0)
		if more := ahead - answered; more < -2 || more > 2 && (more < step-2 || more > step+2) {
			t.Fatalf("round %d: the clock is ahead by %d s, the answered calls have moved it by %d", round, ahead, answered)
		}
		chain, err := plain.ChainID(t.Context())
		must(t, err)
		for i, lane := range []*ethclient.Client{plain, sealed} {
			a := load.NewAccount(keys[i].Key, chain)
			a.Nonce = uint64(round)
			now := inBlock(t, lane, a)
			if want := uint64(time.Now().Unix() + ahead); now < last || now+10 < want || now > want+10 {
				t.Errorf("round %d: a block has the time %d, the one before %d, the clock about %d", round, now, last, want)
			}
			last = now
		}
		answered = ahead + moves(t, plain, func() {
			time.Sleep(time.Duration(5+random.IntN(100)) * time.Millisecond) // somewhere in a move
			must(t, d.Kill())
		})
	}
	if answered < kills*step {
		t.Errorf("the clock was moved by %d s in %d rounds", answered, kills)
	}
}

// moves moves the clock again and again until the devnet is gone, and returns by how much the answered calls did.
func moves(t *testing.T, c *ethclient.Client, kill func()) (answered int64) {
	t.Helper()
	killed := make(chan struct{})
	go func() { defer close(killed); kill() }()
	var ahead int64
	for c.Client().CallContext(t.Context(), &ahead, "evm_increaseTime", step) == nil {
		answered += step
	}
	<-killed
	return answered
}

// move moves the clock, and returns by how many seconds it is ahead then.
func move(t *testing.T, c *ethclient.Client, seconds int) (ahead int64) {
	t.Helper()
	must(t, c.Client().CallContext(t.Context(), &ahead, "evm_increaseTime", seconds))
	return ahead
}

// inBlock has a transfer executed, and returns the time of its block.
func inBlock(t *testing.T, c *ethclient.Client, a *load.Account) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tx, err := a.Transfer(a.Address)
	must(t, err)
	must(t, c.SendTransaction(ctx, tx))
	var r *types.Receipt
	for r == nil {
		if r, err = c.TransactionReceipt(ctx, tx.Hash()); ctx.Err() != nil { // it is held for a second at a time
			t.Fatalf("transfer %d of %s: %v", tx.Nonce(), a.Address, err)
		}
	}
	block, err := c.HeaderByNumber(ctx, r.BlockNumber)
	must(t, err)
	return block.Time
}

func client(t *testing.T, at string) *ethclient.Client {
	t.Helper()
	c, err := ethclient.DialContext(t.Context(), "http://"+at)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
