package rpcproxy

import (
	"bytes"
	"encoding/json"
)

// maxSpreadBody is the largest request that is looked into. Larger ones send transactions, as a rule.
const maxSpreadBody = 64 << 10

// Where a method has its block.
const (
	noBlock = -1 // it is of the chain, or of the head
	byHash  = -2 // a block is named by its hash, which a replica may not have yet
)

// spreadMethods are those that any replica may answer, with the parameter that names the block. Every other method is
// the leader's: it sends, or asks for what is pending, for a nonce, or for what became of a transaction just sent.
func spreadMethods() map[string]int {
	return map[string]int{
		"eth_chainId": noBlock, "net_version": noBlock, "web3_clientVersion": noBlock, "web3_sha3": noBlock,
		"eth_blockNumber": noBlock, "eth_gasPrice": noBlock, "eth_maxPriorityFeePerGas": noBlock,
		"eth_getBalance": 1, "eth_getCode": 1, "eth_getStorageAt": 2, "eth_getProof": 2, "eth_call": 1, "eth_estimateGas": 1,
		"eth_createAccessList": 1, "eth_feeHistory": 1, "eth_getLogs": noBlock,
		"eth_getBlockByNumber": 0, "eth_getBlockTransactionCountByNumber": 0, "eth_getTransactionByBlockNumberAndIndex": 0,
		"eth_getBlockReceipts": 0, "debug_traceBlockByNumber": 0,
		"eth_getBlockByHash": byHash, "eth_getBlockTransactionCountByHash": byHash, "eth_getTransactionByBlockHashAndIndex": byHash,
		"debug_traceBlockByHash": byHash,
	}
}

// rpcCall is what is looked at of a call.
type rpcCall struct {
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

// spreadable says whether every call of a request may be answered by any replica. What is not understood is not.
func (p *Proxy) spreadable(body []byte) bool {
	if len(body) > maxSpreadBody {
		return false
	}
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 {
		return false
	}
	if body[0] != '[' {
		var one rpcCall
		return json.Unmarshal(body, &one) == nil && p.anywhere(one, true)
	}
	var batch []rpcCall
	if json.Unmarshal(body, &batch) != nil || len(batch) == 0 {
		return false
	}
	for _, one := range batch {
		if !p.anywhere(one, false) {
			return false
		}
	}
	return true
}

// anywhere says so of one call. One that names a block by its hash only when it is alone: its answer may have to be asked
// for again.
func (p *Proxy) anywhere(c rpcCall, alone bool) bool {
	block, known := p.methods[c.Method]
	switch {
	case !known, block == byHash && !alone:
		return false
	case block < 0 || block >= len(c.Params): // no block named is the head
		return true
	}
	return !bytes.Equal(bytes.TrimSpace(c.Params[block]), []byte(`"pending"`))
}
