package chain

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
)

// prefetchFrom is how many transactions make it worth while to load trie nodes beside the execution. For a few the
// goroutines cost more than they save.
const prefetchFrom = 64

// execution is a block being built on the state of its parent. Nothing of it is stored yet.
type execution struct {
	chain  *Chain
	header *types.Header
	state  *state.StateDB
	evm    *vm.EVM
	gas    *core.GasPool
	signer types.Signer

	txs      []*types.Transaction
	receipts []*types.Receipt
	logs     []*types.Log
	skipped  []Skipped
	carried  []carriedTx   // plain transactions from the first that did not fit on
	delayed  []common.Hash // the same for delayed ones
	full     bool
}

func (c *Chain) execute(ctx context.Context, parent *types.Header, b Block, all []candidate) (*execution, *types.Block, error) {
	config := c.bc.Config()
	header := nextHeader(config, parent, c.bc.Genesis().Coinbase(), b.Timestamp)
	statedb, err := c.bc.StateAtForkBoundary(parent, header)
	if err != nil {
		return nil, nil, fmt.Errorf("open state of block %d: %w", parent.Number, err)
	}
	if len(all) >= prefetchFrom {
		statedb.StartPrefetcher("blindseq", nil)
		defer statedb.StopPrefetcher()
	}
	evm := vm.NewEVM(core.NewEVMBlockContext(header, c.bc, &header.Coinbase), statedb, config, vm.Config{})
	defer evm.Release()
	evm.SetJumpDestCache(c.bc.JumpDestCache())
	evm.SetPrecompileCache(c.bc.PrecompileCache())

	core.PreExecution(ctx, header.ParentBeaconRoot, parent, config, evm, header.Number, header.Time)
	run := &execution{
		chain: c, header: header, state: statedb, evm: evm,
		gas:    core.NewGasPool(header.GasLimit),
		signer: types.MakeSigner(config, header.Number, header.Time),
	}
	for i := range all {
		run.transaction(ctx, &all[i])
	}
	block, err := run.assemble(ctx)
	return run, block, err
}

// transaction executes one transaction, or says why not. The order is the decided one and stays so: after the first
// that does not fit nothing more is executed, or later transactions would overtake it.
func (x *execution) transaction(ctx context.Context, one *candidate) {
	switch {
	case one.err != nil:
		x.skip(one, one.err)
	case one.tx.Gas() > x.header.GasLimit:
		x.skip(one, fmt.Errorf("gas %d exceeds the block's %d", one.tx.Gas(), x.header.GasLimit))
	case x.full:
		x.carry(one)
	default:
		x.apply(ctx, one)
	}
}

func (x *execution) apply(ctx context.Context, one *candidate) {
	message, err := core.TransactionToMessage(one.tx, x.signer, x.header.BaseFee)
	if err != nil {
		x.skip(one, err)
		return
	}
	index := len(x.txs)
	x.state.SetTxContext(one.hash, index, uint32(index+1))
	snapshot, gas := x.state.Snapshot(), x.gas.Snapshot()
	receipt, _, err := core.ApplyTransactionWithEVM(ctx, message, x.gas, x.state, x.header.Number, common.Hash{},
		x.header.Time, one.tx, x.evm)
	if err == nil {
		x.txs = append(x.txs, one.tx)
		x.receipts = append(x.receipts, receipt)
		x.logs = append(x.logs, receipt.Logs...)
		return
	}
	x.state.RevertToSnapshot(snapshot)
	x.gas.Set(gas)
	if errors.Is(err, core.ErrGasLimitReached) {
		x.full = true
		x.carry(one)
		return
	}
	x.skip(one, err)
}

func (x *execution) skip(one *candidate, reason error) {
	x.skipped = append(x.skipped, Skipped{Hash: one.hash, Reason: reason.Error(), Early: errors.Is(reason, core.ErrNonceTooHigh)})
}

func (x *execution) carry(one *candidate) {
	if one.delayed {
		x.delayed = append(x.delayed, one.hash)
		return
	}
	x.carried = append(x.carried, carriedTx{hash: one.hash, raw: one.raw, gas: one.tx.Gas()})
}

// assemble ends the block: the forks' system calls, the header's roots.
func (x *execution) assemble(ctx context.Context) (*types.Block, error) {
	config, header := x.chain.bc.Config(), x.header
	header.GasUsed = x.gas.Used()
	requests, _, err := core.PostExecution(ctx, config, header.Number, header.Time, x.logs, nil, x.evm, uint32(len(x.txs)+1))
	if err != nil && x.state.Error() == nil { // a database that cannot be read is no fault of the block
		return nil, fmt.Errorf("%w: end block %d: %w", ErrExecution, header.Number, err)
	}
	if requests != nil {
		hash := types.CalcRequestsHash(requests)
		header.RequestsHash = &hash
	}
	body := &types.Body{Transactions: x.txs}
	if config.IsShanghai(header.Number, header.Time) {
		body.Withdrawals = []*types.Withdrawal{}
	}
	x.chain.bc.Engine().Finalize(x.chain.bc, header, x.state, body)
	block := core.AssembleBlock(x.chain.bc, header, x.state, body, x.receipts, nil)
	if err := x.state.Error(); err != nil {
		return nil, fmt.Errorf("read state of block %d: %w", header.Number, err)
	}
	return block, nil
}
