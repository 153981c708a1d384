package hostile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"

	"blindseq/kit/content"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/ledger"
	"blindseq/producer-svc/logrecord"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// decided is a number with its content, its record, and what the live replica made of it.
type decided struct {
	preblock *preblockv1.Preblock
	delayed  map[content.Hash][]byte
	result   chain.Result
}

// Raw makes the delayed transactions of a number what its record is made with.
func (d *decided) Raw(hash content.Hash) ([]byte, bool, error) {
	raw, ok := d.delayed[hash]
	return raw, ok, nil
}

// record is what a replica with a head logs of it.
func (w *world) record(d *decided, on logrecord.Parent) *blueprintv1.LogRecord {
	rec, err := logrecord.Of(d.preblock, on, d)
	w.must(err)
	return rec
}

// execute applies a number as replicas do, on the head they have, whatever parent the content names.
func (w *world) execute(c *chain.Chain, d *decided) chain.Result {
	_, head, at := c.Head()
	rec := w.record(d, logrecord.Parent{Hash: content.Hash(head), Time: int64(at)})
	result, err := c.Apply(context.Background(), ledger.BlockOf(rec, w.bars()))
	w.must(err)
	return result
}

// bars are those of the chain.
func (w *world) bars() ledger.Bars { return ledger.Bars{Lifetime: lifetime, IsRelay: w.c.IsRelay} }

// decide is what follows when a content is final: the live replica executes it, and the judge looks at the block.
func (w *world) decide(d decided) {
	w.must(w.window.Add(d.preblock.GetContent()))
	d.result = w.execute(w.live, &d)
	w.judge.block(&d)
	w.history, w.behind = append(w.history, d), append(w.behind, d)
	w.same("restarted", w.execute(w.restarted, &d), d.result)
	w.header(&d)
}

// header checks that nothing in a header was chosen after reading.
func (w *world) header(d *decided) {
	var header types.Header
	w.must(w.rpc.Call(&header, "eth_getBlockByNumber", "latest", false))
	c := d.preblock.GetContent()
	if want := crypto.Keccak256Hash([]byte("blindseq/prevrandao/2"), d.preblock.GetContentHash()); header.MixDigest != want {
		w.failf("block %d has prevrandao %s, the hash of its content's is %s", c.GetNumber(), header.MixDigest, want)
	}
	if header.Time != uint64(c.GetTimestamp().GetSeconds()) || header.Coinbase != w.genesis.Coinbase || header.GasLimit != gasLimit {
		w.failf("block %d has time %d, coinbase %s and gas limit %d", c.GetNumber(), header.Time, header.Coinbase, header.GasLimit)
	}
	before := w.baseFee
	if w.learnBaseFee(&header); w.baseFee > before {
		w.stats["base fee raised"]++
	}
}

func (w *world) same(who string, got, want chain.Result) {
	if got.Hash != want.Hash || got.Root != want.Root || !slices.Equal(got.Waiting, want.Waiting) || !slices.Equal(got.Skipped, want.Skipped) {
		w.failf("block %d: %s has %+v, the live replica %+v", want.Number, who, got, want)
	}
}

// catchUp has the standby execute what it has not yet.
func (w *world) catchUp() {
	for i := range w.behind {
		w.same("standby", w.execute(w.standby, &w.behind[i]), w.behind[i].result)
	}
	w.behind = nil
}

// restart stops a replica, or kills it: then its files stay as they are at that moment, some blocks behind. It starts on them
// and replays its log.
func (w *world) restart() {
	dir := w.dir
	if w.rng.IntN(2) == 0 {
		dir = w.t.TempDir()
		w.copyTo(dir)
	}
	w.must(w.restarted.Close())
	w.restarted, w.dir = w.open(dir), dir
	w.stats["restarts"]++
	head, _, _ := w.restarted.Head()
	for i := head; i < uint64(len(w.history)); i++ {
		w.stats["replayed after a restart"]++
		w.same("replica that was killed", w.execute(w.restarted, &w.history[i]), w.history[i].result)
	}
	if got, want := w.restarted.Waiting(), w.live.Waiting(); got != want {
		w.failf("after a restart %+v waits, not %+v", got, want)
	}
	w.checkWindow()
}

// copyTo copies the files of the running replica. One that vanishes meanwhile was compacted away: then all are copied again.
func (w *world) copyTo(dir string) {
	err := fs.ErrNotExist
	for range 5 {
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			break
		}
		w.must(os.RemoveAll(dir))
		err = os.CopyFS(dir, os.DirFS(w.dir))
	}
	w.must(err)
}

// checkWindow compares the window of seqs with one made from the records.
func (w *world) checkWindow() {
	last := uint64(len(w.history))
	again, err := rules.Rebuild(1, last, lifetime, func(number uint64) ([]seal.Header, error) {
		return logrecord.Headers(w.record(&w.history[number-1], logrecord.Parent{})), nil
	})
	w.must(err)
	for _, a := range w.submitters() {
		if got, want := again.Next(a, last+1), w.window.Next(a, last+1); got != want {
			w.failf("after a restart the next seq of %s is %d, not %d", a, got, want)
		}
	}
}

func (w *world) submitters() (all []common.Address) {
	for _, a := range w.accounts {
		all = append(all, a.address)
	}
	for _, key := range append(w.strangers, w.relay) {
		all = append(all, crypto.PubkeyToAddress(key.PublicKey))
	}
	return all
}

// observe has an observer execute everything from genesis, at the end.
func (w *world) observe() {
	w.catchUp()
	observer := w.open("")
	for i := range w.history {
		w.same("observer", w.execute(observer, &w.history[i]), w.history[i].result)
	}
	w.stats["schedules"], w.stats["blocks"] = w.schedule+1, uint64(len(w.history))
}
