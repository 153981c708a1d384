// Package chain is the EVM chain: go-ethereum as a library that executes what preblocks decide.
//
// What it guarantees:
//   - Apply is a pure function of the parent and the Block given: two replicas that apply the same blocks have the same
//     hashes, whatever is in their pools. Everything in a header comes from the genesis, the parent and the Block.
//   - A block is executed once. Applying it again gives the stored result; other content for its number is ErrConflict.
//   - After a crash the head is a block that was applied, at most a bounded number of blocks back (see flush.go). Blocks
//     are not fsynced one by one: the caller's blueprint log is what is durable, and it is replayed from Head()+1.
//
// What it asks of callers: append a block to the durable log before Apply, one Apply at a time in number order, and
// Close at the end. An error of Apply other than the sentinels below means the database is in doubt: stop the process.
// go-ethereum itself ends the process when it cannot write its database.
package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/rpc"
)

var (
	// ErrConflict: the number is applied already, with other content. It is an alarm: a number has one content for ever.
	ErrConflict = errors.New("another block is applied under this number")
	// ErrGap: the number is beyond the next one.
	ErrGap = errors.New("block number is not the next one")
	// ErrParent: the parent hash is not the head's.
	ErrParent = errors.New("parent is not the head")
	// ErrTimestampDecreased: the timestamp is before the head's.
	ErrTimestampDecreased = errors.New("timestamp is before the head's")
	// ErrOldChain: the database is of a release whose blocks were executed by other rules.
	ErrOldChain = errors.New("it was made by v0.1.0, whose transactions were sealed and executed by other rules, and cannot be continued; " +
		"begin a new chain in an empty directory")
	// ErrExecution: the block cannot be executed, here or by any other replica. Nothing of it is written, and the head stays. It
	// is an alarm: a start over would come to the same.
	ErrExecution = errors.New("block cannot be executed")
	// ErrClosed: Close was called.
	ErrClosed = errors.New("chain is closed")
	// ErrBroken: an earlier Apply failed half way; the process has to start again.
	ErrBroken = errors.New("chain failed and must be opened again")
)

// Config says where the chain is and how much it may use.
type Config struct {
	Dir     string        // data directory; created
	Genesis *core.Genesis // nil is DevGenesis
	Flush   FlushPolicy   // zero fields take the defaults
	History History       // the zero value keeps what is in memory
	Log     *slog.Logger
	// Broken is called once, with an ErrBroken, when the database cannot be written; it must not block. The process has to end.
	Broken func(error)
}

// Chain is an open chain. Its methods may be called from any goroutine.
type Chain struct {
	log    *slog.Logger
	stack  *node.Node
	eth    *eth.Ethereum
	bc     *core.BlockChain
	signer types.Signer
	flush  *flusher
	states *history
	work   *notifier
	apis   []rpc.API
	caches *caches
	broken func(error)

	room atomic.Pointer[room] // written under mu
	bars *bars

	dropping sync.Mutex // one Drop at a time

	mu      sync.Mutex          // one Apply, Content or flush at a time
	retries map[common.Hash]int // skipped transactions the pool still offers; see Content
	state   error               // ErrClosed, ErrBroken or nil
}

// Open opens the chain in cfg.Dir, or begins it with the genesis. Afterwards Head says from where to replay.
func Open(cfg Config) (*Chain, error) {
	genesis := cfg.Genesis
	if genesis == nil {
		var err error
		if genesis, err = DevGenesis(); err != nil {
			return nil, err
		}
	}
	if err := CheckGenesis(genesis); err != nil {
		return nil, err
	}
	stack, backend, err := openNode(cfg.Dir, genesis, cfg.History, cfg.Log)
	if err != nil {
		return nil, err
	}
	c := &Chain{
		log:     cfg.Log,
		stack:   stack,
		eth:     backend,
		bc:      backend.BlockChain(),
		signer:  types.LatestSigner(backend.BlockChain().Config()),
		apis:    assembleAPIs(backend),
		retries: make(map[common.Hash]int),
		broken:  cfg.Broken,
	}
	if err := c.load(cfg.History); err != nil {
		return nil, errors.Join(fmt.Errorf("open chain in %s: %w", cfg.Dir, err), stack.Close())
	}
	c.work = newNotifier(backend.TxPool())
	c.flush = newFlusher(c, cfg.Flush)
	return c, nil
}

// load reads what geth knows nothing of.
func (c *Chain) load(kept History) (err error) {
	if err := c.checkRecord(); err != nil {
		return err
	}
	if err := c.loadRoom(); err != nil {
		return err
	}
	if c.bars, err = loadBars(c.eth.ChainDb()); err != nil {
		return err
	}
	if c.states, err = newHistory(c.bc, c.eth.ChainDb(), kept, c.log); err != nil {
		return err
	}
	c.caches, err = newCaches(c.bc)
	return err
}

// Close stops the chain and writes what is in memory, so that the next Open comes back at this head. It waits for a
// running Apply.
func (c *Chain) Close() error {
	// gofail: var chainClosing struct{}
	c.flush.stop()
	c.caches.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(c.state, ErrClosed) {
		return nil
	}
	broken := errors.Is(c.state, ErrBroken)
	c.state = ErrClosed
	c.work.stop()
	if broken { // the database may hold locks that it never gives back; the log has what it lacks
		return nil
	}
	if err := c.stack.Close(); err != nil {
		return fmt.Errorf("close chain: %w", err)
	}
	return nil
}

// Head is the last applied block: 0 is the genesis.
func (c *Chain) Head() (number uint64, hash common.Hash, timestamp uint64) {
	head := c.bc.CurrentBlock()
	return head.Number.Uint64(), head.Hash(), head.Time
}

// Number is the head's.
func (c *Chain) Number() uint64 { return c.bc.CurrentBlock().Number.Uint64() }

// ChainID is the chain's id.
func (c *Chain) ChainID() uint64 { return c.bc.Config().ChainID.Uint64() }

// HashOf is the EVM hash of an applied block.
func (c *Chain) HashOf(number uint64) (common.Hash, bool) {
	hash := c.bc.GetCanonicalHash(number)
	return hash, hash != (common.Hash{})
}

// GasLimit is the gas of the next block: the genesis's, for ever.
func (c *Chain) GasLimit() uint64 { return c.bc.CurrentBlock().GasLimit }

// Behind says whether what is decided is far ahead of the chain. While it is, states are written to the disk less often, and those of a
// chain that began meanwhile cannot be read until it has caught up, the newest ones excepted.
func (c *Chain) Behind(far bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != nil {
		return nil
	}
	return c.states.catchingUp(far)
}

// breakDown stops the chain: a database that cannot be written must not run further ahead of its disk. The caller holds mu.
func (c *Chain) breakDown(err error) error {
	if c.state != nil {
		return c.state
	}
	c.state = fmt.Errorf("%w: %w", ErrBroken, err)
	if c.broken != nil {
		c.broken(c.state)
	}
	return c.state
}

// usable reports why the chain cannot be used. Callers hold mu.
func (c *Chain) usable(ctx context.Context) error {
	if c.state != nil {
		return c.state
	}
	return ctx.Err()
}
