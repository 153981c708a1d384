package chain_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"blindseq/producer-svc/internal/chain"

	"github.com/ethereum/go-ethereum/common"
)

// script is a chain's blocks, the same whenever it is asked for: what a blueprint log would hold.
type script struct {
	t       testing.TB
	wallets []*wallet
	size    int
	store   bool // has a contract that stores a value in each block
}

func newScript(t testing.TB, size int) *script { return &script{t: t, wallets: wallets(t), size: size} }

// play applies blocks up to last, making the transactions of those that are applied already as well.
func (s *script) play(c *chain.Chain, last uint64) []common.Hash {
	var hashes []common.Hash
	head, _, _ := c.Head()
	timestamp := uint64(0)
	parent, _ := c.HashOf(0)
	for number := uint64(1); number <= last; number++ {
		b := chain.Block{Number: number, ParentHash: parent, Timestamp: timestamp + number%2}
		for i := range s.size {
			w := s.wallets[(int(number)+i)%len(s.wallets)]
			b.Transactions = append(b.Transactions, w.transfer(s.t, common.BigToAddress(uint256Of(number*1000+uint64(i)).ToBig()), 1))
		}
		if s.store {
			b.Transactions = append(b.Transactions, s.wallets[storing].stores(s.t, number))
		}
		// One is opened, ends and is barred; the one before it comes again, readable.
		ended := s.wallets[0].never(s.t, number)
		b.Sealed = []chain.Sealed{{Raw: ended, Submitter: s.wallets[0].address, Gas: 100_000, Fee: 1}}
		b.Transactions = append(b.Transactions, s.wallets[0].never(s.t, number-1))
		b.BarredUntil = number + 1
		if number > head {
			result := apply(s.t, c, b)
			equal(s.t, "barred", number == 1 || result.Skipped[1].Reason == chain.ErrBarred.Error(), true)
			equal(s.t, "included", len(result.Included), len(b.Transactions)-1)
		}
		parent, _ = c.HashOf(number)
		timestamp = b.Timestamp
		hashes = append(hashes, parent)
	}
	return hashes
}

// never signs a transaction whose nonce is never due.
func (w *wallet) never(t testing.TB, number uint64) []byte {
	t.Helper()
	before := w.nonce
	w.nonce = 1_000_000 + number
	raw := w.transfer(t, nobody, 1)
	w.nonce = before
	return raw
}

// TestCrashingProcess is not a test: it is the process that TestAKilledChainReplaysToTheSameBlocks kills.
func TestCrashingProcess(t *testing.T) {
	dir := os.Getenv("BLINDSEQ_CRASH_DIR")
	if dir == "" {
		t.Skip("only run by another test")
	}
	blocks, _ := strconv.ParseUint(os.Getenv("BLINDSEQ_CRASH_BLOCKS"), 10, 64)
	size, _ := strconv.Atoi(os.Getenv("BLINDSEQ_CRASH_SIZE"))
	gas, _ := strconv.ParseUint(os.Getenv("BLINDSEQ_CRASH_GAS"), 10, 64)
	history, err := chain.ParseHistory(os.Getenv("BLINDSEQ_CRASH_HISTORY"))
	must(t, err)
	c := open(t, dir, func(cfg *chain.Config) { cfg.Flush.Gas, cfg.History = gas, history })
	s := newScript(t, size)
	s.store = history.Archive
	hashes := s.play(c, blocks)
	fmt.Printf("applied %s\n", hashes[len(hashes)-1])
	select {} // until killed
}

func crash(t *testing.T, dir string, blocks uint64, size int, gas uint64) (last string) {
	t.Helper()
	return crashWith(t, "128", dir, blocks, size, gas)
}

// crashWith is crash of a chain that keeps a history. With "archive" the script stores values.
func crashWith(t *testing.T, history, dir string, blocks uint64, size int, gas uint64) (last string) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run", "^TestCrashingProcess$", "-test.v")
	child.Env = append(os.Environ(), "BLINDSEQ_CRASH_DIR="+dir, "BLINDSEQ_CRASH_HISTORY="+history, fmt.Sprint("BLINDSEQ_CRASH_BLOCKS=", blocks),
		fmt.Sprint("BLINDSEQ_CRASH_SIZE=", size), fmt.Sprint("BLINDSEQ_CRASH_GAS=", gas))
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if hash, ok := strings.CutPrefix(lines.Text(), "applied "); ok {
			last = hash
			break
		}
		t.Log("child:", lines.Text())
	}
	must(t, child.Process.Kill())
	child.Wait() //nolint:errcheck // it was killed
	if last == "" {
		t.Fatal("the child ended before it had applied its blocks")
	}
	return last
}

func TestAKilledChainReplaysToTheSameBlocks(t *testing.T) {
	cases := []struct {
		name    string
		blocks  uint64
		size    int
		gas     uint64
		atLeast uint64
	}{
		{"few", 20, 2, 0, 0},
		{"many small", 700, 1, 0, 350},
		{"large", 60, 100, 30_000_000, 40},
	}
	for _, one := range cases {
		t.Run(one.name, func(t *testing.T) {
			dir := t.TempDir()
			last := crash(t, dir, one.blocks, one.size, one.gas)
			c := open(t, dir)
			head, _, _ := c.Head()
			if head < one.atLeast {
				t.Errorf("came back at block %d of %d, want at least %d", head, one.blocks, one.atLeast)
			}
			t.Logf("came back at block %d of %d", head, one.blocks)
			hashes := newScript(t, one.size).play(c, one.blocks)
			equal(t, "hash of the last block", hashes[len(hashes)-1].Hex(), last)
		})
	}
}

func TestAClosedChainComesBackAtItsHead(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	hashes := newScript(t, 3).play(c, 40)
	must(t, c.Close())
	must(t, c.Close())
	c = open(t, dir)
	number, hash, _ := c.Head()
	equal(t, "head", number, 40)
	equal(t, "hash", hash, hashes[39])
}

func TestTwoReplicasAgree(t *testing.T) {
	first, second := open(t, t.TempDir()), open(t, t.TempDir())
	w := wallets(t)
	// The second has the transactions in its pool, and others that are never decided.
	for range 5 {
		b := next(first, w[0].transfer(t, nobody, 1), []byte{0x7e}, w[1].transfer(t, nobody, 2))
		b.Delayed = [][]byte{w[2].transfer(t, nobody, 3)}
		decoded, _ := second.Decode([][]byte{b.Transactions[0], w[3].transfer(t, nobody, 1), b.Transactions[2]})
		for _, err := range second.AddTransactions(decoded) {
			must(t, err)
		}
		one, two := apply(t, first, b), apply(t, second, b)
		equal(t, "hash", one.Hash, two.Hash)
		equal(t, "root", one.Root, two.Root)
		equal(t, "reason", one.Skipped[0], two.Skipped[0])
	}
}
