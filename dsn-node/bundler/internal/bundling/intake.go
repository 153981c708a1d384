// Package bundling takes plain transactions from wallets, seals each under the bundler's own key, and brings the sealed
// transactions into blocks.
//
// It guarantees that a hash is answered only for a transaction that is on disk: sealed, and accepted by the rollup unless that did not
// answer, or queued because it is not its nonce's turn. Such a one is handed in again, sealed anew where it must be, until it is in a block,
// or was ordered and ended, or its nonce is used by another, or it is too old; how it ended is remembered. An error means that the
// bundler does not keep the transaction; only when the disk failed it may still come into a block.
//
// The order of blocks is that of sealing: each sealed transaction has the next seq of the bundler's key, and rollups order
// them by seq without a gap. So the transactions of one sender run in the order in which they are sealed. That is one after the
// other, each when those before it are executed or sealed here: see Pool. One that could not run after those that wait here is
// refused: it would be opened, end, and be readable. A queued one can be replaced, a sealed one cannot.
//
// Nothing that is sent to the rollup's leader shows a transaction's sender or hash, before its place is fixed or after. Whether it
// can run, and how it ended, an observer of the bundler's own says.
package bundling

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"math"
	mathrand "math/rand/v2"
	"runtime"
	"time"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/dsn-node/bundler/internal/rollup"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// Why a transaction is refused, in geth's words, which libraries know.
var (
	// ErrNonce says that a transaction's nonce is used in a block.
	ErrNonce = errors.New("nonce too low")
	// ErrReplaced says that a transaction with this nonce waits here, which is sealed or does not cost enough less.
	ErrReplaced = errors.New("replacement transaction underpriced")
	// ErrFunds says that its sender cannot pay for it, and for those that wait here.
	ErrFunds = errors.New("insufficient funds for gas * price + value")
	// ErrFee says that its fee cap is too low for the next block.
	ErrFee = errors.New("max fee per gas less than block base fee")
	// ErrTip says that it pays nothing to who makes its block, which no pool of the rollup takes.
	ErrTip = errors.New("transaction gas price below minimum: gas tip cap 0, minimum needed 1")
	// ErrShown says that a transaction was shown in plain before, so sealing it hides nothing.
	ErrShown = errors.New("the transaction was shown in plain before: sign a new one, or send it without a bundler")
	// ErrNothingKept says that nothing of an account is kept here: see SendHeld.
	ErrNothingKept = errors.New("nothing of this account is kept here")
)

// Leader is what is asked of the rollup's leader: nothing about a sender.
type Leader interface {
	Submit(ctx context.Context, sealed []byte) error
	NextSeq(ctx context.Context, submitter common.Address) (uint64, error)
	Statuses(ctx context.Context, ids []common.Hash) ([]rollup.Status, error)
	ChainID(ctx context.Context) (uint64, error)
	Tip(ctx context.Context) (rollup.Tip, error)
}

// Observer is what is asked of a node of the bundler's own.
type Observer interface {
	Tip(ctx context.Context) (rollup.Tip, error)
	Sender(ctx context.Context, q rollup.Question) (rollup.Sender, error)
	NextNonce(ctx context.Context, account common.Address) (head, nonce uint64, err error)
	Statuses(ctx context.Context, ids []common.Hash) ([]rollup.Status, error)
	Look(ctx context.Context, queries []rollup.Query) ([]rollup.State, error)
	ChainID(ctx context.Context) (uint64, error)
}

// Recorder takes figures.
type Recorder interface {
	Sealed(d time.Duration)
	Resent(result string)
	Ended(result string, after time.Duration)
}

// Options of a Intake and its Watcher; all are needed.
type Options struct {
	Committee     *committee.Committee
	Key           *ecdsa.PrivateKey // the submitter's
	Box           *outbox.Box
	Leader        Leader
	Observer      Observer
	AcceptTimeout time.Duration // of one transaction, until the rollup accepts it
	MaxAge        time.Duration // after which a transaction is given up
	Recorder      Recorder
	Log           *slog.Logger
}

func (o *Options) submitter() common.Address { return crypto.PubkeyToAddress(o.Key.PublicKey) }

// lead is what decides about the header of the next sealed transaction.
type lead struct {
	rollup.Tip
	NextSeq uint64 // the first one that neither a block nor the leader's pool has
}

// lead asks for it.
func (o *Options) lead(ctx context.Context) (at lead, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { at.Tip, err = o.Observer.Tip(ctx); return err })
	g.Go(func() (err error) { at.NextSeq, err = o.Leader.NextSeq(ctx, o.submitter()); return err })
	return at, g.Wait()
}

// Intake takes transactions. Its methods may be called from any goroutine.
type Intake struct {
	o     Options
	turns turns
	busy  *semaphore.Weighted // sealing takes a processor
	pool  *Pool
}

// NewIntake makes an intake.
func NewIntake(o Options) *Intake {
	d := &Intake{o: o, turns: newTurns(), busy: semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0)))}
	d.pool = newPool(d)
	return d
}

// Send takes a raw transaction and answers its hash. A repeat is a success.
func (d *Intake) Send(ctx context.Context, raw []byte) (common.Hash, error) {
	tx, err := d.check(raw)
	if err != nil {
		return common.Hash{}, err
	}
	return d.take(ctx, tx)
}

// SendHeld is Send for a transaction whose sender has another home than this bundler: it is taken only while others of its sender are kept
// here. Its error is ErrNothingKept otherwise, and then for ever.
func (d *Intake) SendHeld(ctx context.Context, raw []byte) (common.Hash, error) {
	tx, err := d.check(raw)
	if err != nil {
		return common.Hash{}, err
	}
	if !d.o.Box.Hold(tx.From) {
		return common.Hash{}, ErrNothingKept
	}
	defer d.o.Box.Release(tx.From)
	return d.take(ctx, tx)
}

func (d *Intake) take(ctx context.Context, tx *transaction) (common.Hash, error) {
	ctx, cancel := context.WithTimeout(ctx, d.o.AcceptTimeout)
	defer cancel()
	done, err := d.turns.takeAll(ctx, tx.accounts)
	if err != nil {
		return common.Hash{}, fmt.Errorf("%w in time for this sender's earlier transactions", rollup.ErrAway)
	}
	defer done()
	if err := d.settle(ctx, tx.accounts); err != nil {
		return common.Hash{}, err
	}
	hash := tx.Hash()
	if d.o.Box.Accepted(hash) {
		return hash, nil
	}
	a, err := d.admit(ctx, tx)
	switch {
	case err != nil:
	case a.queue:
		err = d.queue(ctx, tx, a)
	default:
		err = d.bring(ctx, tx, a)
	}
	if err != nil {
		return common.Hash{}, err
	}
	return hash, nil
}

// queue keeps a transaction until it is its nonce's turn.
func (d *Intake) queue(ctx context.Context, tx *transaction, a admission) error {
	// gofail: var queueStoring struct{}
	item, err := d.o.Box.Queue(tx.item(time.Now()), a.use, tx.raw)
	// gofail: var queueStored struct{}
	if err != nil {
		return err
	}
	d.o.Box.Why(item.Hash, waitsFor(a.early))
	if a.replaces != nil {
		d.o.tell(ctx, *a.replaces, Replaced, replacedBy(item))
	}
	return nil
}

func replacedBy(item outbox.Item) string {
	return fmt.Sprintf("replaced by %s before it was sealed", item.Hash)
}

func (t *transaction) item(now time.Time) outbox.Item {
	return outbox.Item{Hash: t.Hash(), From: t.From, Nonce: t.Nonce(), Since: uint64(now.Unix())}
}

// bring seals a new transaction and hands it in. One that the rollup refuses is not kept. When the rollup does not answer, it may have it:
// the transaction keeps its nonce and is handed in again, as after a crash. Were it forgotten, another one of its nonce could be sealed.
// A queued one in whose place it comes ends afterwards: a crash in between leaves it queued for a nonce that is used, so that it ends then.
func (d *Intake) bring(ctx context.Context, tx *transaction, a admission) error {
	if err := d.busy.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("seal transaction: %w", err)
	}
	item, sealed, err := d.prepare(tx, a)
	d.busy.Release(1)
	if err != nil {
		return err
	}
	err = d.handIn(ctx, item, tx, sealed, a.lead)
	switch {
	case err == nil:
		d.o.Box.HandedIn(item.Hash)
	case errors.Is(err, rollup.ErrAway) && !errors.Is(err, outbox.ErrStorage):
		d.o.Log.DebugContext(ctx, "new transaction is sealed and not handed in yet", "hash", item.Hash, "id", item.ID, "error", err)
	default:
		return errors.Join(err, d.o.Box.GiveBack(item.Hash))
	}
	// gofail: var sealedForwarded struct{}
	d.o.Box.Accept(item.Hash, time.Now().Add(backoff(0)))
	d.pool.wake(tx.accounts...)
	if a.replaces == nil {
		return nil
	}
	return d.o.end(ctx, *a.replaces, Replaced, replacedBy(item))
}

// settle hands in what the rollup perhaps does not have of some senders, before anything else of them is sealed. A crash may have come
// between keeping a transaction and handing it in: a repeat of it is answered only when the rollup has it. And one whose seq turns
// out to be used gets another: were a later one of its sender sealed by then, that would run before it, and end.
func (d *Intake) settle(ctx context.Context, accounts []common.Address) error {
	for _, from := range accounts {
		for _, item := range d.o.Box.Unsure(from) {
			if err := d.settleOne(ctx, item); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Intake) settleOne(ctx context.Context, item outbox.Item) error {
	content, err := d.o.Box.Content(item.Hash)
	if err != nil || content == nil { // it has ended meanwhile
		return err
	}
	if err = d.submit(ctx, item, content.Sealed); errors.Is(err, errUsed) {
		err = d.again(ctx, item, content.Raw)
	}
	if errors.Is(err, rollup.ErrAway) || errors.Is(err, outbox.ErrStorage) {
		return err
	}
	d.o.Box.HandedIn(item.Hash) // one that is refused keeps its seq; the watcher seals it anew or finds out how it ended
	return nil
}

// again seals an item whose seq is used with another one, and hands it in. One whose nonce is used is the watcher's.
func (d *Intake) again(ctx context.Context, item outbox.Item, raw []byte) error {
	tx, err := d.check(raw)
	if err != nil {
		return err
	}
	at, err := d.o.lead(ctx)
	if err != nil {
		return err
	}
	states, err := d.o.Observer.Look(ctx, []rollup.Query{{Hash: item.Hash, From: item.From}})
	if err != nil || states[0].Err != nil {
		return errors.Join(rollup.ErrAway, err)
	}
	if states[0].Nonce > item.Nonce {
		return nil
	}
	item, sealed, err := d.renew(item, tx, at)
	if err != nil {
		return err
	}
	return d.handIn(ctx, item, tx, sealed, at)
}

// prepare gives a new transaction a seq and seals it.
func (d *Intake) prepare(tx *transaction, a admission) (outbox.Item, []byte, error) {
	start := time.Now()
	item, err := d.o.Box.Reserve(tx.item(start), a.use, a.leaders)
	if err != nil {
		return item, nil, err
	}
	item, sealed, err := d.o.seal(item, tx.Transaction, tx.raw, a.lead)
	if err != nil {
		return item, nil, errors.Join(err, d.o.Box.GiveBack(item.Hash))
	}
	d.o.Recorder.Sealed(time.Since(start))
	return item, sealed, nil
}

// The waits between looks at a transaction that is not in a block.
const (
	firstWait     = time.Second
	mostWait      = 15 * time.Second
	mostQueueWait = 3 * time.Second
)

// backoff is how long to wait after a number of looks.
func backoff(visits int) time.Duration {
	return jitter(min(time.Duration(float64(firstWait)*math.Pow(1.5, float64(min(visits, 20)))), mostWait))
}

// jitter spreads a wait by a quarter to both sides.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + mathrand.N(d/2)
}
