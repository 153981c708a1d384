package bundling

import (
	"bytes"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// pools lets the pool work until it has nothing to do.
func (c *counter) pools() {
	c.t.Helper()
	c.pool.wake(c.box.Queuing()...)
	for {
		woken := c.pool.take()
		if len(woken) == 0 {
			return
		}
		for account := range woken {
			if err := c.pool.sealAll(c.t.Context(), account); err != nil {
				c.t.Fatal(err)
			}
		}
	}
}

func TestAQueuedTransactionIsSealedAfterThoseBeforeIt(t *testing.T) {
	c := opened(t)
	for _, nonce := range []uint64{3, 1, 2} {
		c.send(nonce)
	}
	if c.pools(); len(c.rollup.sealed) != 0 || c.box.QueuedCount() != 3 {
		t.Fatalf("%d sealed, %d queued", len(c.rollup.sealed), c.box.QueuedCount())
	}
	c.send(0)
	if c.pools(); !slices.Equal(c.seqs(), []uint64{0, 1, 2, 3}) || c.box.QueuedCount() != 0 {
		t.Fatalf("seqs %v, %d queued", c.seqs(), c.box.QueuedCount())
	}
}

// What was acknowledged and queued is sealed for good once it is on the disk, whatever the leader says.
func TestAQueuedTransactionThatIsRefusedKeepsItsPlace(t *testing.T) {
	c := opened(t)
	c.send(1)
	c.send(2)
	c.rollup.nonce = 1
	c.rollup.refusing = func([]byte) bool { return true }
	c.pools()
	if content, err := c.box.Content(c.tx(1).Hash()); err != nil || len(content.Sealed) == 0 || c.box.QueuedCount() != 1 {
		t.Fatalf("%v, %d queued", err, c.box.QueuedCount())
	}
	c.rollup.refusing = nil
	c.send(1) // a repeat
	if c.pools(); !slices.Equal(c.seqs(), []uint64{0, 1}) {
		t.Errorf("seqs %v", c.seqs())
	}
}

// A crash may leave an item with a seq that the leader has something else under. Nothing later of its sender is sealed before it
// has another.
func TestAnItemWhoseSeqIsUsedIsSealedAnewBeforeTheNextOneOfItsSender(t *testing.T) {
	for name, next := range map[string]func(c *counter){
		"sent":   func(c *counter) { c.send(1) },
		"queued": func(c *counter) { c.pools() },
	} {
		c := opened(t, 0)
		c.rollup.statuses = map[common.Hash]rollup.Status{}
		c.rollup.refusing = func(sealed []byte) bool { return bytes.Equal(sealed, kept(0)) }
		c.rollup.next = 1
		if name == "queued" {
			raw, _ := signed(t, c.key, transfer(1, 0))
			tx, err := c.check(raw)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.queue(t.Context(), tx, admission{}); err != nil {
				t.Fatal(err)
			}
		}
		next(c)
		var nonces []uint64
		for _, raw := range c.rollup.sealed {
			s, err := seal.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			item, ok := c.box.At(s.Seq)
			if !ok {
				t.Fatalf("%s: no item has seq %d", name, s.Seq)
			}
			nonces = append(nonces, item.Nonce)
		}
		if !slices.Equal(c.seqs(), []uint64{1, 2}) || !slices.Equal(nonces, []uint64{0, 1}) {
			t.Errorf("%s: seqs %v with nonces %v", name, c.seqs(), nonces)
		}
	}
}

func TestWhatCannotRunAtItsTurnWaitsOrEnds(t *testing.T) {
	from := func(c *counter) common.Address { return crypto.PubkeyToAddress(c.key.PublicKey) }
	for name, one := range map[string]struct {
		happens func(f *follower)
		status  string
		reason  string
	}{
		"the base fee rose":         {func(f *follower) { f.leader.baseFee = 2 }, "queued", "max fee per gas less than block base fee"},
		"its sender has paid":       {func(f *follower) { f.leader.balance = big.NewInt(5) }, "queued", "insufficient funds"},
		"it was shown":              {func(f *follower) { f.leader.shown = map[common.Hash]bool{f.tx(1).Hash(): true} }, "dropped", "shown in plain"},
		"its nonce was used":        {func(f *follower) { f.leader.nonce = 2 }, "dropped", "was used by another transaction"},
		"its nonce is not due":      {func(f *follower) { f.leader.nonce = 0 }, "queued", "waits for nonce 0"},
		"it is too old":             {func(f *follower) { f.Watcher.o.MaxAge = -1 }, "dropped", "not sealed after"},
		"somebody else brought it":  {func(f *follower) { f.leader.nonce, f.leader.had[f.tx(1).Hash()] = 2, true }, "", ""},
		"a new committee allows it": {func(f *follower) { f.Intake.o.Committee.Limits.SealedGas = 20_999 }, "dropped", "gas limit too high"},
	} {
		f := following(t)
		f.counter.send(1)
		f.leader.nonce = 1
		one.happens(f)
		f.polls(3)
		if name != "its nonce was used" && name != "it is too old" && name != "somebody else brought it" {
			f.pools()
		}
		status, reason, _ := f.Why(f.tx(1).Hash())
		if _, waits := f.box.FirstQueued(from(&f.counter)); waits != (one.status == "queued") || one.status != "" && status != one.status || !strings.Contains(reason, one.reason) {
			t.Errorf("%s: %s, %s; it waits: %t", name, status, reason, waits)
		}
		if len(f.leader.sealed) != 0 {
			t.Errorf("%s: it was sealed", name)
		}
		if one.status != "queued" {
			continue
		}
		f.leader.baseFee, f.leader.balance, f.leader.nonce = 0, nil, 1
		f.polls(1)
		if f.pools(); len(f.leader.sealed) != 1 {
			t.Errorf("%s: it was not sealed afterwards", name)
		}
	}
}

func TestAReplacementEndsWhatWasQueued(t *testing.T) {
	c := opened(t)
	c.o.Recorder = new(ends)
	c.pool.d.o.Recorder = c.o.Recorder
	first, hash := signed(t, c.key, transfer(1, 1))
	if _, err := c.Send(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	same, dearer := transfer(1, 2), transfer(1, 3)
	if err := c.take(same, c.key); !errors.Is(err, ErrReplaced) {
		t.Errorf("for the same price: %v", err)
	}
	dearer.GasFeeCap, dearer.GasTipCap = big.NewInt(11), big.NewInt(2)
	c.rollup.nonce = 1 // it would be its turn now
	if err := c.take(dearer, c.key); err != nil {
		t.Fatal(err)
	}
	if how, ended := c.box.Ended(hash); !ended || how.Result != outbox.Replaced || c.box.Len() != 1 || len(c.rollup.sealed) != 1 {
		t.Errorf("ended %+v, %d wait", how, c.box.Len())
	}
	dearest := transfer(1, 4)
	dearest.GasFeeCap, dearest.GasTipCap = big.NewInt(100), big.NewInt(100)
	if err := c.take(dearest, c.key); !errors.Is(err, ErrReplaced) {
		t.Errorf("in the place of what is sealed: %v", err)
	}
}

// Were it handed in first, a crash would leave it queued here and sealed there: another one could take its place, for nothing.
func TestAQueuedTransactionIsSealedOnDiskBeforeItIsHandedIn(t *testing.T) {
	c := opened(t)
	c.send(1)
	hash, asked := c.tx(1).Hash(), false
	c.rollup.nonce = 1
	c.rollup.refusing = func(sealed []byte) bool {
		content, err := c.box.Content(hash)
		if asked = true; err != nil || !bytes.Equal(content.Sealed, sealed) {
			t.Errorf("the rollup gets it before the disk: %v", err)
		}
		return false
	}
	if c.pools(); !asked {
		t.Error("it was not handed in")
	}
}
