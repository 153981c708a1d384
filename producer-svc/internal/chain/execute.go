package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"blindseq/producer-svc/blueprint"

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

	payload  blueprint.Payload
	txs      []*types.Transaction
	delayed  []common.Hash // those of txs that were added outside the pool
	receipts []*types.Receipt
	logs     []*types.Log
	ended    []candidate // each with its err
	waiting  room        // everything from the first that did not fit on
	full     bool
}

func (c *Chain) execute(ctx context.Context, parent *types.Header, b Block, all []candidate) (*execution, *types.Block, error) {
	config := c.bc.Config()
	header := nextHeader(config, parent, c.bc.Genesis().Coinbase(), b)
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

// inOrder are the transactions of a block in the order of execution: those that were sealed, so that nothing uses up their
// gas and nothing runs between their opening and them; those that wait since earlier blocks; the rest of the content.
func inOrder(own, waiting []candidate, sealed int) []candidate {
	return slices.Concat(own[:sealed], waiting, own[sealed:])
}

// transaction executes one transaction, lets it wait, or says why it has ended. The order is the decided one and stays so:
// after the first that does not fit nothing more is executed, or later transactions would overtake it. What was sealed
// never waits.
func (x *execution) transaction(ctx context.Context, one *candidate) {
	executed := blueprint.Executed{Raw: one.raw, Delayed: one.delayed}
	payload := x.payload
	err := x.refusal(one)
	switch {
	case err != nil:
	case x.full || !payload.Add(executed):
		err = core.ErrGasLimitReached
	default:
		err = x.apply(ctx, one)
	}
	switch {
	case err == nil:
		x.payload = payload
	case errors.Is(err, core.ErrGasLimitReached) && one.sealed == nil:
		x.wait(one)
	default:
		x.end(one, err)
	}
}

func (x *execution) apply(ctx context.Context, one *candidate) error {
	message, err := core.TransactionToMessage(one.tx, x.signer, x.header.BaseFee)
	if err != nil {
		return err
	}
	index := len(x.txs)
	x.state.SetTxContext(one.hash, index, uint32(index+1))
	snapshot, gas := x.state.Snapshot(), x.gas.Snapshot()
	receipt, _, err := core.ApplyTransactionWithEVM(ctx, message, x.gas, x.state, x.header.Number, common.Hash{},
		x.header.Time, one.tx, x.evm)
	if err != nil {
		x.state.RevertToSnapshot(snapshot)
		x.gas.Set(gas)
		return err
	}
	x.txs = append(x.txs, one.tx)
	x.receipts = append(x.receipts, receipt)
	x.logs = append(x.logs, receipt.Logs...)
	if one.delayed {
		x.delayed = append(x.delayed, one.hash)
	}
	return nil
}

// end notes that a transaction has ended without being executed.
func (x *execution) end(one *candidate, reason error) {
	ended := *one
	ended.err = reason
	x.ended = append(x.ended, ended)
}

// wait keeps a transaction for a later block.
func (x *execution) wait(one *candidate) {
	x.full = true
	if !one.waited && !x.waiting.takes(one, x.header.GasLimit) {
		x.end(one, errRoomFull)
		return
	}
	waits := *one
	waits.waited = true
	x.waiting.put(waits)
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
