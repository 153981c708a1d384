package rpcproxy

import (
	"bytes"
	"encoding/json"
	"strings"
)

// maxSpreadBody is the maximum size of a request that is parsed. Larger ones usually send transactions.
const maxSpreadBody = 64 << 10

// Where the parameters of a method name the block.
const (
	noBlock = -1 // the method is about the chain or the head
	byHash  = -2 // a block is named by its hash, which a replica may not have yet
	nonceAt = 1  // where eth_getTransactionCount names the block
)

// spreadMethods are the methods that any replica may answer, with the parameter that names the block. The leader answers all
// others: they send, or ask for pending state, a nonce, or the result of a transaction that was just sent.
func spreadMethods() map[string]int {
	return map[string]int{
		"eth_chainId": noBlock, "net_version": noBlock, "web3_clientVersion": noBlock, "web3_sha3": noBlock,
		"eth_blockNumber": noBlock, "eth_gasPrice": noBlock, "eth_maxPriorityFeePerGas": noBlock,
		"eth_getBalance": 1, "eth_getCode": 1, "eth_getStorageAt": 2, "eth_getStorageValues": 1, "eth_simulateV1": 1, "eth_getProof": 2, "eth_call": 1, "eth_estimateGas": 1,
		"eth_createAccessList": 1, "eth_feeHistory": 1, "eth_getLogs": noBlock,
		"eth_getBlockByNumber": 0, "eth_getBlockTransactionCountByNumber": 0, "eth_getTransactionByBlockNumberAndIndex": 0,
		"eth_getBlockReceipts": 0, "debug_traceBlockByNumber": 0, "debug_traceCall": 1, "debug_traceTransaction": noBlock,
		"eth_getBlockByHash": byHash, "eth_getBlockTransactionCountByHash": byHash, "eth_getTransactionByBlockHashAndIndex": byHash,
		"debug_traceBlockByHash": byHash,
	}
}

// rpcCall is the part of a call that is parsed.
type rpcCall struct {
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

// isHeavy reports whether a method may keep a processor busy for long, or look through many blocks.
func isHeavy(method string) bool {
	return strings.HasPrefix(method, "debug_") || method == "eth_getLogs"
}

// spreadable reports whether any replica may answer every call of a request, and whether one of them is heavy. A request that does
// not parse is not spread.
func (p *Proxy) spreadable(body []byte) (anywhere, heavy bool) {
	if len(body) > maxSpreadBody {
		return false, false
	}
	calls, batch := parse[rpcCall](body)
	for _, one := range calls {
		if !p.anywhere(one, !batch) {
			return false, false
		}
		heavy = heavy || isHeavy(one.Method)
	}
	return len(calls) > 0, heavy
}

// parse reads a request or an answer: the one in it, or those of a batch; none when it does not parse.
func parse[T any](body []byte) (all []T, batch bool) {
	body = bytes.TrimLeft(body, " \t\r\n")
	if batch = len(body) > 0 && body[0] == '['; batch {
		if json.Unmarshal(body, &all) != nil {
			return nil, true
		}
		return all, true
	}
	var one T
	if json.Unmarshal(body, &one) != nil {
		return nil, false
	}
	return []T{one}, false
}

// anywhere reports whether any replica may answer a call. A call that names a block by its hash is spread only when it is
// alone, because the leader may have to answer it again.
func (p *Proxy) anywhere(c rpcCall, alone bool) bool {
	block, known := p.methods[c.Method]
	switch {
	case c.Method == "eth_getTransactionCount": // for its next transaction a wallet asks about the head
		return nonceAt < len(c.Params) && bytes.HasPrefix(bytes.TrimSpace(c.Params[nonceAt]), []byte(`"0x`))
	case !known, block == byHash && !alone:
		return false
	case block < 0 || block >= len(c.Params): // no block named is the head
		return true
	}
	return !bytes.Equal(bytes.TrimSpace(c.Params[block]), []byte(`"pending"`))
}
