package rolluptest

import (
	"encoding/json"

	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// leader answers what a bundler may ask the leader, and fails the test for anything else: it would tell the leader about a sender,
// or about a transaction before its place is fixed.
func (r *Rollup) leader(c request) (any, *Error) {
	switch c.Method {
	case "eth_sendRawTransaction":
		var raw hexutil.Bytes
		if len(c.Params) != 1 || json.Unmarshal(c.Params[0], &raw) != nil {
			return nil, &Error{-32602, "invalid params"}
		}
		if !seal.IsSealed(raw) {
			r.t.Errorf("the leader was sent something that is not sealed: %x", []byte(raw))
		}
		return r.take(raw)
	case "te_getNextSeq":
		r.mu.Lock()
		defer r.mu.Unlock()
		return hexutil.Uint64(r.nextSeq()), nil
	case "te_getTransactionStatus":
		hash := hashOf(c)
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.ids[hash] {
			r.t.Errorf("the leader was asked about %s, which is the id of no sealed transaction that it was sent", hash)
		}
		return r.statusOf(hash), nil
	}
	if result, ok := r.public(c); ok {
		return result, nil
	}
	r.t.Errorf("the leader was asked %s %s", c.Method, c.Params)
	return nil, &Error{-32601, "the method " + c.Method + " does not exist"}
}

// public answers what names neither an account nor a transaction.
func (r *Rollup) public(c request) (any, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch c.Method {
	case "eth_chainId":
		return hexutil.Uint64(1337), true
	case "eth_blockNumber":
		return hexutil.Uint64(r.head), true
	case "eth_feeHistory":
		fee := hexutil.Uint64(r.baseFee)
		return map[string]any{"oldestBlock": hexutil.Uint64(r.head), "baseFeePerGas": []any{fee, fee}}, true
	}
	return nil, false
}

// observer answers what its own bundler asks.
func (r *Rollup) observer(c request) (any, *Error) {
	r.mu.Lock()
	behind := r.behind
	r.mu.Unlock()
	switch result, ok := r.public(c); {
	case ok && c.Method == "eth_feeHistory":
		answer := result.(map[string]any)
		answer["oldestBlock"] = answer["oldestBlock"].(hexutil.Uint64) - hexutil.Uint64(behind)
		return answer, nil
	case ok:
		return result, nil
	}
	hash := hashOf(c)
	if c.Method == "eth_getTransactionCount" || c.Method == "eth_getBalance" {
		var a common.Address
		_ = json.Unmarshal(c.Params[0], &a) // the zero address then
		return r.account(c.Method, a), nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch c.Method {
	case "eth_getTransactionReceipt", "eth_getTransactionByHash", "eth_getRawTransactionByHash", "te_awaitReceipt":
		if r.receipts[hash] {
			return map[string]any{"blockNumber": "0x5", "transactionHash": hash, "hash": hash, "fromRollup": true}, nil
		}
		return nil, nil
	case "te_getTransactionStatus":
		return r.observedStatus(hash), nil
	}
	return nil, &Error{-32601, "the method " + c.Method + " does not exist"}
}

// observedStatus is that of an observer, which has no pool.
func (r *Rollup) observedStatus(hash common.Hash) map[string]any {
	switch {
	case r.status[hash].number > 0:
		return r.statusOf(hash)
	case r.shown[hash]:
		return map[string]any{"status": "pending"}
	}
	return map[string]any{"status": "unknown"}
}

func hashOf(c request) (hash common.Hash) {
	if len(c.Params) > 0 {
		_ = json.Unmarshal(c.Params[0], &hash) // the zero hash then
	}
	return hash
}
