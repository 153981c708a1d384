package devrpc

import "encoding/json"

// never refuses what other development chains can do and this one cannot.
type never struct{ name string } // of its namespace

// param is a parameter that is not looked at.
type param = *json.RawMessage

func (n never) back(what string) (any, error) {
	return nil, rpcError{-32004, n.name + "_" + what + ": not supported: the keyholders have signed the order of all blocks, and a signed order is never taken back. " +
		"For a fresh state, deploy again, or stop the devnet and remove its data directory"}
}

func (n never) state(what string) (any, error) {
	return nil, rpcError{-32004, n.name + "_" + what + ": not supported: the state follows from the order of the transactions alone, on every replica, so nothing else can " +
		"change it. Send a transaction instead, or put it into a genesis.json (--genesis) before the chain begins"}
}

func (n never) sender(what string) (any, error) {
	return nil, rpcError{-32004, n.name + "_" + what + ": not supported: every replica checks the signature of a transaction. Use one of the accounts of eth_accounts"}
}

func (n never) block(what string) (any, error) {
	return nil, rpcError{-32004, n.name + "_" + what + ": not supported: each field of a block follows from what was ordered and from the block before it"}
}

func (n never) pool(what string) (any, error) {
	return nil, rpcError{-32004, n.name + "_" + what + ": not supported: a transaction that was acknowledged leaves the pool with its block only. Replace it by one with its nonce and a higher fee"}
}

// Snapshot and the others are each method's refusal.
func (n never) Snapshot() (any, error)                  { return n.back("snapshot") }
func (n never) Revert(param) (any, error)               { return n.back("revert") }
func (n never) Reset(param) (any, error)                { return n.back("reset") }
func (n never) Rollback(param) (any, error)             { return n.back("rollback") }
func (n never) Reorg(_, _ param) (any, error)           { return n.back("reorg") }
func (n never) DumpState(param) (any, error)            { return n.state("dumpState") }
func (n never) LoadState(param) (any, error)            { return n.state("loadState") }
func (n never) SetBalance(_, _ param) (any, error)      { return n.state("setBalance") }
func (n never) AddBalance(_, _ param) (any, error)      { return n.state("addBalance") }
func (n never) SetCode(_, _ param) (any, error)         { return n.state("setCode") }
func (n never) SetNonce(_, _ param) (any, error)        { return n.state("setNonce") }
func (n never) SetStorageAt(_, _, _ param) (any, error) { return n.state("setStorageAt") }
func (n never) Deal(_, _ param) (any, error)            { return n.state("deal") }
func (n never) ImpersonateAccount(param) (any, error)   { return n.sender("impersonateAccount") }
func (n never) StopImpersonatingAccount(param) (any, error) {
	return n.sender("stopImpersonatingAccount")
}
func (n never) AutoImpersonateAccount(param) (any, error) { return n.sender("autoImpersonateAccount") }
func (n never) SetCoinbase(param) (any, error)            { return n.block("setCoinbase") }
func (n never) SetPrevRandao(param) (any, error)          { return n.block("setPrevRandao") }
func (n never) SetNextBlockBaseFeePerGas(param) (any, error) {
	return n.block("setNextBlockBaseFeePerGas")
}
func (n never) SetMinGasPrice(param) (any, error)         { return n.block("setMinGasPrice") }
func (n never) SetBlockGasLimit(param) (any, error)       { return n.block("setBlockGasLimit") }
func (n never) SetChainId(param) (any, error)             { return n.block("setChainId") }
func (n never) DropTransaction(param) (any, error)        { return n.pool("dropTransaction") }
func (n never) DropAllTransactions() (any, error)         { return n.pool("dropAllTransactions") }
func (n never) RemovePoolTransactions(param) (any, error) { return n.pool("removePoolTransactions") }
