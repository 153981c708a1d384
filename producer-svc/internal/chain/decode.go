package chain

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

var (
	// ErrTransactionType: the bytes are of a transaction type that is not executed here.
	ErrTransactionType = errors.New("transaction type not supported")
	errEmpty           = errors.New("transaction has no bytes")
)

// candidate is one transaction of a block on its way to execution. tx is nil when err says why.
type candidate struct {
	hash    common.Hash // keccak256 of the bytes, whatever they are
	raw     []byte
	tx      *types.Transaction
	err     error
	sealed  *Sealed // nil for what was ordered readable
	delayed bool
	waited  bool // it is of an earlier content
	barred  bool
}

// candidates decodes the transactions of a block's own content and recovers their senders, on all processors. One that is
// in the pool had this done when it was sent. They are in the order of execution.
func (c *Chain) candidates(b Block) ([]candidate, error) {
	all := make([]candidate, 0, len(b.Sealed)+len(b.Delayed)+len(b.Transactions))
	for i := range b.Sealed {
		all = append(all, candidate{raw: b.Sealed[i].Raw, sealed: &b.Sealed[i]})
	}
	for _, raw := range b.Delayed {
		all = append(all, candidate{raw: raw, delayed: true})
	}
	for _, raw := range b.Transactions {
		all = append(all, candidate{raw: raw})
	}
	pool, failed := c.eth.TxPool(), make([]error, len(all))
	parallel(len(all), func(i int) {
		one := &all[i]
		one.hash = crypto.Keccak256Hash(one.raw)
		if one.tx = pool.Get(one.hash); one.tx == nil {
			one.tx, one.err = c.decode(one.raw)
		}
		one.barred, failed[i] = c.bars.holds(one.hash, b.Number)
	})
	return all, errors.Join(failed...)
}

// Decode decodes transactions and recovers their senders, on all processors. For each there is a transaction or an
// error.
func (c *Chain) Decode(raws [][]byte) ([]*types.Transaction, []error) {
	txs, errs := make([]*types.Transaction, len(raws)), make([]error, len(raws))
	parallel(len(raws), func(i int) { txs[i], errs[i] = c.decode(raws[i]) })
	return txs, errs
}

func (c *Chain) decode(raw []byte) (*types.Transaction, error) {
	if err := checkType(raw); err != nil {
		return nil, err
	}
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil {
		return nil, fmt.Errorf("decode transaction: %w", err)
	}
	if limit := c.maxGas(); tx.Gas() > limit {
		return nil, fmt.Errorf("%w (cap: %d, tx: %d)", core.ErrGasLimitTooHigh, limit, tx.Gas())
	}
	if _, err := types.Sender(c.signer, tx); err != nil {
		return nil, fmt.Errorf("%w: %w", txpool.ErrInvalidSender, err)
	}
	return tx, nil
}

// checkType keeps out what geth would decode but a block here cannot hold (blobs), and names the type when it cannot
// decode it either.
func checkType(raw []byte) error {
	if len(raw) == 0 {
		return errEmpty
	}
	const firstListByte = 0xc0 // legacy transactions are an RLP list
	switch kind := raw[0]; kind {
	case types.AccessListTxType, types.DynamicFeeTxType, types.SetCodeTxType:
		return nil
	default:
		if kind >= firstListByte {
			return nil
		}
		return fmt.Errorf("%w: 0x%02x", ErrTransactionType, kind)
	}
}

// parallel calls do for 0..n-1 on all processors and returns when all have returned. Small chunks are handed out as
// they are asked for, because recovering a sender costs a hundred times what finding it in the pool does.
func parallel(n int, do func(i int)) {
	const chunk = 16
	workers := min(runtime.GOMAXPROCS(0), (n+chunk-1)/chunk)
	if workers <= 1 {
		for i := range n {
			do(i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				end := int(next.Add(chunk))
				for i := end - chunk; i < min(end, n); i++ {
					do(i)
				}
				if end >= n {
					return
				}
			}
		})
	}
	wg.Wait()
}
