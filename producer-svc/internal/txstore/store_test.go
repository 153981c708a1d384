package txstore_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"blindseq/producer-svc/internal/txstore"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

func tx(n int) txstore.Tx {
	raw := fmt.Appendf(nil, "transaction %d", n)
	return txstore.Tx{Hash: crypto.Keccak256Hash(raw), Raw: raw}
}

func txs(from, to int) (all []txstore.Tx) {
	for n := from; n < to; n++ {
		all = append(all, tx(n))
	}
	return all
}

func open(t testing.TB, dir string, options txstore.Options) *txstore.Store {
	t.Helper()
	s, err := txstore.Open(dir, options)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// crashed opens a copy of the files of a store that is still open: what a crash of the process would leave.
func crashed(t *testing.T, dir string, options txstore.Options) *txstore.Store {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if out, err := exec.Command("cp", "-r", dir, to).CombinedOutput(); err != nil {
		t.Fatalf("copy: %v: %s", err, out)
	}
	must(t, os.RemoveAll(filepath.Join(to, "LOCK")))
	return open(t, to, options)
}

func all(t *testing.T, s *txstore.Store) (found []txstore.Tx) {
	t.Helper()
	must(t, s.Each(3, func(group []txstore.Tx) bool {
		found = append(found, group...)
		return true
	}))
	return found
}

func TestAcknowledgedTransactionsSurviveACrashInTheirOrder(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, txstore.Options{})
	must(t, s.Add(txs(0, 4)))
	must(t, s.Remove([]common.Hash{tx(3).Hash, tx(99).Hash}))
	must(t, s.Add(append(txs(4, 8), tx(2), tx(7), tx(1)))) // durable, with what was written before
	again := crashed(t, dir, txstore.Options{})
	found := all(t, again)
	want := []int{0, 1, 2, 4, 5, 6, 7}
	equal(t, "count", again.Count(), len(want))
	equal(t, "found", len(found), len(want))
	for i, n := range want {
		equal(t, "transaction", string(found[i].Raw), string(tx(n).Raw))
	}
	must(t, again.Add(txs(8, 9)))
	equal(t, "last", all(t, again)[7].Hash, tx(8).Hash)
}

func TestConcurrentCallersAllGetADurableYes(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, txstore.Options{})
	var wg sync.WaitGroup
	for n := range 64 {
		wg.Go(func() {
			if err := s.Add([]txstore.Tx{tx(n), tx(n / 2)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	again := crashed(t, dir, txstore.Options{})
	equal(t, "count", again.Count(), 64)
	equal(t, "stored once", len(all(t, again)), 64)
}

func TestRoomCountsDownAndUp(t *testing.T) {
	s := open(t, t.TempDir(), txstore.Options{Transactions: 3, TransactionBytes: 100})
	must(t, s.Add(txs(0, 2)))
	n, bytes := s.Room()
	equal(t, "transactions", n, 1)
	equal(t, "bytes", bytes, 100-2*int64(len(tx(0).Raw)))
	must(t, s.Remove([]common.Hash{tx(0).Hash}))
	n, _ = s.Room()
	equal(t, "after a removal", n, 2)
}

func TestDelayedTransactionsStayInOrderUntilRemoved(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, txstore.Options{Delayed: 3})
	for n := range 3 {
		hash, added, err := s.AddDelayed(tx(n).Raw)
		must(t, err)
		equal(t, "hash", hash, tx(n).Hash)
		equal(t, "added", added, true)
	}
	_, added, err := s.AddDelayed(tx(1).Raw)
	must(t, err)
	equal(t, "added twice", added, false)
	_, _, err = s.AddDelayed(tx(3).Raw)
	wantError(t, err, txstore.ErrFull)

	again := crashed(t, dir, txstore.Options{})
	must(t, again.RemoveDelayed([]common.Hash{tx(0).Hash}))
	waiting, err := again.Delayed(1)
	must(t, err)
	equal(t, "first", waiting[0].Hash, tx(1).Hash)
	raw, ok, err := again.DelayedByHash(tx(2).Hash)
	must(t, err)
	equal(t, "found", ok, true)
	equal(t, "raw", string(raw), string(tx(2).Raw))
	_, ok, err = again.DelayedByHash(tx(0).Hash)
	must(t, err)
	equal(t, "removed found", ok, false)
	equal(t, "count", again.DelayedCount(), 2)
}

func TestTheLockOfThePoolSurvivesACrash(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, txstore.Options{})
	must(t, s.SetLocked(true, "publisher is behind"))
	locked, reason := crashed(t, dir, txstore.Options{}).Locked()
	equal(t, "locked", locked, true)
	equal(t, "reason", reason, "publisher is behind")
	must(t, s.SetLocked(false, "ignored"))
	locked, reason = crashed(t, dir, txstore.Options{}).Locked()
	equal(t, "locked", locked, false)
	equal(t, "reason", reason, "")
}

func TestEndingsAreBoundedByCountAndAge(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	options := txstore.Options{Endings: 5, EndingAge: time.Hour, Now: func() time.Time { return now }}
	dir := t.TempDir()
	s := open(t, dir, options)
	end := func(n int, reason string) {
		must(t, s.End([]txstore.Ending{{Hash: tx(n).Hash, Kind: txstore.Dropped, Reason: reason}}))
	}
	known := func(s *txstore.Store, n int) bool {
		_, ok, err := s.Ending(tx(n).Hash)
		must(t, err)
		return ok
	}
	must(t, s.Add(txs(0, 1)))
	end(0, "first")
	equal(t, "acknowledged still", s.Has(tx(0).Hash), false)
	for n := 1; n < 5; n++ {
		end(n, "one")
	}
	end(0, "second") // replaces the first, and is now the newest
	end(5, "one")
	equal(t, "replaced one", known(s, 0), true)
	equal(t, "oldest", known(s, 1), false)
	ending, _, err := s.Ending(tx(0).Hash)
	must(t, err)
	equal(t, "reason", ending.Reason, "second")

	again := crashed(t, dir, options)
	now = now.Add(2 * time.Hour)
	must(t, again.End([]txstore.Ending{{Hash: tx(9).Hash, Kind: txstore.Dropped}}))
	equal(t, "expired", known(again, 0) || known(again, 5), false)
	equal(t, "fresh", known(again, 9), true)
}

func BenchmarkAdd(b *testing.B) {
	for _, callers := range []int{1, 4, 64} {
		b.Run(fmt.Sprint(callers, "_callers"), func(b *testing.B) {
			s := open(b, b.TempDir(), txstore.Options{})
			b.SetParallelism(callers)
			var mu sync.Mutex
			next := 0
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					mu.Lock()
					n := next
					next++
					mu.Unlock()
					must(b, s.Add([]txstore.Tx{tx(n)}))
				}
			})
		})
	}
}
