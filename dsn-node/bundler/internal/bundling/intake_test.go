package bundling

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"math/big"
	"slices"
	"testing"
	"time"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

// taker is a leader that keeps the sealed transactions it is handed, in their order, and an observer.
type taker struct {
	Leader
	sealed   [][]byte
	refusing func(sealed []byte) bool
	loses    int // so many answers: it keeps what it was handed, and does not answer
	statuses map[common.Hash]rollup.Status
	next     uint64
	observer
}

func (r *taker) Submit(_ context.Context, sealed []byte) error {
	if r.refusing != nil && r.refusing(sealed) {
		return &rollup.Refusal{Code: -32000, Message: "no"}
	}
	r.sealed = append(r.sealed, sealed)
	if r.loses > 0 {
		r.loses--
		return rollup.ErrAway
	}
	return nil
}

func (r *taker) NextSeq(context.Context, common.Address) (uint64, error) { return r.next, nil }

func (r *taker) Statuses(_ context.Context, ids []common.Hash) ([]rollup.Status, error) {
	out := make([]rollup.Status, len(ids))
	for i, id := range ids {
		out[i] = r.statuses[id]
	}
	return out, nil
}

// Tip is that of a leader whose observer is never behind.
func (r *taker) Tip(ctx context.Context) (rollup.Tip, error) { return r.observer.Tip(ctx) }

// observer says of every account the same, or what is special about it.
type observer struct {
	Observer
	head    uint64
	nonce   uint64
	nonces  map[common.Address]uint64
	balance *big.Int
	baseFee int64
	shown   map[common.Hash]bool
	asked   func() // before each answer about a sender
}

func (o *observer) Tip(context.Context) (rollup.Tip, error) {
	return rollup.Tip{Head: o.head, BaseFee: big.NewInt(o.baseFee)}, nil
}

func (o *observer) Sender(ctx context.Context, q rollup.Question) (s rollup.Sender, err error) {
	if o.asked != nil {
		o.asked()
	}
	s = rollup.Sender{Shown: o.shown[q.Hash], Balance: big.NewInt(1e18), Nonces: map[common.Address]uint64{}}
	if o.balance != nil {
		s.Balance = o.balance
	}
	for _, a := range q.Accounts {
		s.Nonces[a] = max(o.nonce, o.nonces[a])
	}
	s.Tip, err = o.Tip(ctx)
	return s, err
}

func (o *observer) NextNonce(_ context.Context, account common.Address) (head, nonce uint64, err error) {
	return o.head, max(o.nonce, o.nonces[account]), nil
}

// Look knows the nonces.
func (o *observer) Look(_ context.Context, queries []rollup.Query) ([]rollup.State, error) {
	states := make([]rollup.State, len(queries))
	for i, q := range queries {
		states[i].Nonce = max(o.nonce, o.nonces[q.From])
	}
	return states, nil
}

// Statuses knows of nothing that is ordered.
func (o *observer) Statuses(_ context.Context, ids []common.Hash) ([]rollup.Status, error) {
	return make([]rollup.Status, len(ids)), nil
}

type noFigures struct{ Recorder }

func (noFigures) Sealed(time.Duration) {}
func (noFigures) Resent(string)        {}

// counter is an intake with one sender.
type counter struct {
	*Intake
	t      *testing.T
	box    *outbox.Box
	rollup *taker
	key    *ecdsa.PrivateKey
}

// opened is an intake over an outbox that was left with the sender's transactions of the given nonces, each kept and perhaps
// never handed in.
func opened(t *testing.T, left ...uint64) *counter {
	t.Helper()
	c := &counter{t: t, rollup: &taker{}}
	var err error
	if c.key, err = crypto.GenerateKey(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, nonce := range left {
		box, err := outbox.Open(dir, 10, c.key)
		if err != nil {
			t.Fatal(err)
		}
		item, err := box.Reserve(outbox.Item{Hash: c.tx(nonce).Hash(), From: crypto.PubkeyToAddress(c.key.PublicKey), Nonce: nonce}, outbox.Use{}, outbox.Answer{})
		if err != nil {
			t.Fatal(err)
		}
		item.ID = common.Hash{byte(nonce + 1)}
		if err := errors.Join(box.Put(item, outbox.Content{Raw: c.raw(nonce), Sealed: kept(nonce)}), box.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if c.box, err = outbox.Open(dir, 10, c.key); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.box.Close() }) // a test's
	c.Intake = NewIntake(Options{
		Committee: committeetest.New(t, 1, 1, 1).Committee, Key: c.key, Box: c.box, Leader: c.rollup, Observer: &c.rollup.observer,
		AcceptTimeout: time.Minute, Recorder: noFigures{}, Log: hashedLog(t),
	})
	return c
}

// hashedLog is a log in which each line about a transaction has its hash.
func hashedLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(hashes{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type hashes struct{ t *testing.T }

func (h hashes) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("transaction")) && !bytes.Contains(line, []byte(" hash=0x")) {
		h.t.Errorf("a line without the transaction's hash: %s", line)
	}
	return len(line), nil
}

func kept(nonce uint64) []byte { return []byte{0x5e, byte(nonce)} }

func (c *counter) tx(nonce uint64) *types.Transaction {
	c.t.Helper()
	tx, err := types.SignNewTx(c.key, types.LatestSignerForChainID(big.NewInt(1337)), &types.DynamicFeeTx{
		ChainID: big.NewInt(1337), Nonce: nonce, Gas: 21000, GasFeeCap: big.NewInt(1), GasTipCap: big.NewInt(1), To: &common.Address{1},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return tx
}

func (c *counter) raw(nonce uint64) []byte {
	c.t.Helper()
	raw, err := c.tx(nonce).MarshalBinary()
	if err != nil {
		c.t.Fatal(err)
	}
	return raw
}

// seqs are those of what the rollup was handed.
func (c *counter) seqs() (list []uint64) {
	c.t.Helper()
	for _, raw := range c.rollup.sealed {
		s, err := seal.Parse(raw)
		if err != nil {
			c.t.Fatal(err)
		}
		list = append(list, s.Seq)
	}
	return list
}

func (c *counter) send(nonce uint64) {
	c.t.Helper()
	tx := c.tx(nonce)
	if hash, err := c.Send(c.t.Context(), c.raw(nonce)); err != nil || hash != tx.Hash() {
		c.t.Fatalf("send nonce %d: %s, %v", nonce, hash, err)
	}
}

func TestARepeatAfterACrashIsAnsweredWhenTheRollupHasTheTransaction(t *testing.T) {
	c := opened(t, 0)
	for range 2 {
		c.send(0)
		if len(c.rollup.sealed) != 1 || !bytes.Equal(c.rollup.sealed[0], kept(0)) {
			t.Fatalf("the rollup has %x", c.rollup.sealed)
		}
	}
}

func TestWhatACrashLeftIsHandedInBeforeTheSendersNextTransaction(t *testing.T) {
	c := opened(t, 0, 1)
	c.send(2)
	if b := c.rollup.sealed; len(b) != 3 || !bytes.Equal(b[0], kept(0)) || !bytes.Equal(b[1], kept(1)) {
		t.Fatalf("the rollup has %x", b)
	}
}

func TestWhatACrashLeftAndTheRollupRefusesIsInNobodysWay(t *testing.T) {
	c := opened(t, 0)
	c.rollup.refusing = func(sealed []byte) bool { return bytes.Equal(sealed, kept(0)) }
	c.send(1)
	if b := c.rollup.sealed; len(b) != 1 {
		t.Fatalf("the rollup has %x", b)
	}
}

func TestANonceThatOnlySeemedEarlyIsSealed(t *testing.T) {
	c := opened(t)
	asked := 0
	c.rollup.asked = func() {
		if asked++; asked == 1 { // its earlier transactions went from the outbox into a block that the observer did not have yet
			c.box.Ordered(9)
		} else {
			c.rollup.head, c.rollup.nonce = 9, 3
		}
	}
	c.send(3)
	if c.send(6); len(c.rollup.sealed) != 1 || asked != 3 {
		t.Fatalf("a nonce that is not due: %d are sealed, asked %d times", len(c.rollup.sealed), asked)
	}
}

func TestSealedTransactionsHaveConsecutiveSeqsFromTheLeadersOn(t *testing.T) {
	c := opened(t)
	c.rollup.head, c.rollup.next = 9, 57
	for nonce := range uint64(3) {
		c.send(nonce)
	}
	if got := c.seqs(); !slices.Equal(got, []uint64{57, 58, 59}) {
		t.Fatalf("seqs %v", got)
	}
}

func TestARefusedTransactionLeavesNoGap(t *testing.T) {
	c := opened(t)
	c.send(0)
	c.rollup.next = 1
	c.rollup.refusing = func([]byte) bool { return true }
	if _, err := c.Send(t.Context(), c.raw(1)); err == nil || c.box.Len() != 1 {
		t.Fatalf("refused: %v, %d kept", err, c.box.Len())
	}
	c.rollup.refusing = nil
	c.send(1)
	if got := c.seqs(); !slices.Equal(got, []uint64{0, 1}) {
		t.Fatalf("seqs %v", got)
	}
}

func TestASeqThatIsUsedIsReplaced(t *testing.T) {
	c := opened(t)
	c.send(0)
	c.rollup.next = 8 // somebody sealed seven more with this key
	c.rollup.refusing = func(sealed []byte) bool { s, err := seal.Parse(sealed); return err == nil && s.Seq < 8 }
	c.send(1)
	if got := c.seqs(); !slices.Equal(got, []uint64{0, 8}) {
		t.Fatalf("seqs %v", got)
	}
}

func TestARefusalOfWhatTheRollupHasIsASuccess(t *testing.T) {
	c := opened(t)
	c.rollup.statuses = map[common.Hash]rollup.Status{}
	c.rollup.refusing = func(sealed []byte) bool {
		s, err := seal.Parse(sealed)
		if err != nil {
			t.Fatal(err)
		}
		c.rollup.statuses[common.Hash(s.ID())] = rollup.Status{Name: "sealed"}
		return true
	}
	c.send(0)
}

func TestHeaderSaysLittle(t *testing.T) {
	limits := committee.Limits{Lifetime: 100, SealedGas: 12_000_000}
	for gas, want := range map[uint64]uint64{21_000: 50_000, 50_000: 50_000, 50_001: 100_000, 3_000_000: 5_000_000, 10_000_001: 12_000_000, 12_000_000: 12_000_000} {
		if got, err := gasOf(gas, limits); err != nil || got != want {
			t.Errorf("gas %d becomes %d, not %d: %v", gas, got, want, err)
		}
	}
	if _, err := gasOf(12_000_001, limits); !errors.Is(err, ErrGas) {
		t.Errorf("too much gas: %v", err)
	}
	if got, err := gasOf(16_000_000, committee.Limits{SealedGas: 20_000_000}); err != nil || got != 1<<24 {
		t.Errorf("gas above all classes becomes %d: %v", got, err)
	}
	huge := new(big.Int).Lsh(big.NewInt(1), 70)
	for feeCap, want := range map[*big.Int]uint64{
		big.NewInt(0): 0, big.NewInt(7): 7, big.NewInt(99): 99, big.NewInt(109): 100, big.NewInt(1_999_999_999): 1_900_000_000, huge: 18_000_000_000_000_000_000,
	} {
		if got := feeOf(feeCap, new(big.Int)); got != want {
			t.Errorf("fee cap %s becomes %d, not %d", feeCap, got, want)
		}
	}
	for baseFee, want := range map[int64]uint64{1_900_000_000: 1_900_000_000, 1_900_000_001: 1_990_000_000, 1_999_999_000: 1_999_999_000, 1_999_999_999: 1_999_999_999} {
		if got := feeOf(big.NewInt(1_999_999_999), big.NewInt(baseFee)); got != want {
			t.Errorf("with base fee %d the fee is %d, not %d", baseFee, got, want)
		}
	}
	for name, c := range map[string]struct{ seq, head, last, want uint64 }{
		"the first": {0, 50, 40, 150}, "a later one": {1, 50, 40, 140}, "nothing is known": {1, 50, 0, 150}, "at the end of the sequence": {1, 140, 40, 141},
	} {
		if got := expiryOf(c.seq, c.head, c.last, limits); got != c.want {
			t.Errorf("%s: expiry %d, not %d", name, got, c.want)
		}
	}
}

// Were it handed in first, a crash would leave it with the leader and not here, and another one of its nonce could be sealed.
func TestANewTransactionIsOnDiskBeforeItIsHandedIn(t *testing.T) {
	c := opened(t)
	hash, asked := c.tx(0).Hash(), false
	c.rollup.refusing = func(sealed []byte) bool {
		content, err := c.box.Content(hash)
		if asked = true; err != nil || content == nil || !bytes.Equal(content.Sealed, sealed) {
			t.Errorf("the rollup gets it before the disk: %v", err)
		}
		return false
	}
	if c.send(0); !asked {
		t.Error("it was not handed in")
	}
}

// The leader may have it. Were it forgotten here, another content of its nonce could be sealed, and be opened for nothing.
func TestATransactionThatTheRollupMayHaveKeepsItsNonce(t *testing.T) {
	c := opened(t)
	c.o.AcceptTimeout, c.rollup.loses = 10*time.Millisecond, 1
	c.send(0)
	raw, _ := signed(t, c.key, &types.DynamicFeeTx{
		ChainID: big.NewInt(1337), Nonce: 0, Gas: 21000, GasFeeCap: big.NewInt(9), GasTipCap: big.NewInt(9), To: &common.Address{1},
	})
	if _, err := c.Send(t.Context(), raw); !errors.Is(err, ErrReplaced) {
		t.Errorf("another content of its nonce: %v", err)
	}
	if c.send(0); len(c.rollup.sealed) != 2 || !bytes.Equal(c.rollup.sealed[0], c.rollup.sealed[1]) {
		t.Errorf("the rollup was handed %x", c.rollup.sealed)
	}
	if c.send(0); len(c.rollup.sealed) != 2 {
		t.Error("what was handed in is handed in again")
	}
}
