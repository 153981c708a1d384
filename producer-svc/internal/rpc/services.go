package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

const (
	syncTimeoutDefault = 20 * time.Second
	syncTimeoutMax     = time.Minute
	blockBuffer        = 128
)

var errClosing = errors.New("the node is stopping; the transaction stays in its pool")

// ethService replaces what of geth's eth namespace sends transactions and looks for them.
type ethService struct {
	chain  Chain
	txs    Transactions
	client *gethrpc.Client
}

// SendRawTransaction is eth_sendRawTransaction: the transaction is in the pool and durable when it answers.
func (s *ethService) SendRawTransaction(ctx context.Context, raw hexutil.Bytes) (common.Hash, error) {
	hashes, errs := s.txs.Submit(ctx, [][]byte{raw})
	return hashes[0], errs[0]
}

// SendRawTransactionSync is eth_sendRawTransactionSync (EIP-7966): it answers with the receipt.
func (s *ethService) SendRawTransactionSync(ctx context.Context, raw hexutil.Bytes, timeout *uint64) (json.RawMessage, error) {
	blocks := make(chan core.ChainEvent, blockBuffer)
	sub := s.chain.SubscribeBlocks(blocks)
	defer sub.Unsubscribe()
	hash, err := s.SendRawTransaction(ctx, raw)
	if err != nil {
		return nil, err
	}
	limit := syncTimeoutDefault
	if timeout != nil && *timeout > 0 {
		limit = time.Duration(min(*timeout, uint64(syncTimeoutMax/time.Millisecond))) * time.Millisecond
	}
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		select {
		case block := <-blocks:
			inner, err := s.txs.Resolve(hash)
			if err != nil {
				return nil, err
			}
			if holds(block, inner) {
				return s.receipt(ctx, inner)
			}
		case <-deadline.C:
			return nil, &syncTimeout{hash: hash, after: limit}
		case <-sub.Err():
			return nil, fmt.Errorf("wait for %s: %w", hash, errClosing)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func holds(block core.ChainEvent, hash common.Hash) bool {
	for _, tx := range block.Transactions {
		if tx.Hash() == hash {
			return true
		}
	}
	return false
}

// GetTransactionReceipt is eth_getTransactionReceipt.
func (s *ethService) GetTransactionReceipt(ctx context.Context, hash common.Hash) (json.RawMessage, error) {
	hash, err := s.txs.Resolve(hash)
	if err != nil {
		return nil, err
	}
	return s.receipt(ctx, hash)
}

func (s *ethService) receipt(ctx context.Context, hash common.Hash) (receipt json.RawMessage, err error) {
	err = s.client.CallContext(ctx, &receipt, "eth_getTransactionReceipt", hash)
	return receipt, err
}

// GetTransactionByHash is eth_getTransactionByHash.
func (s *ethService) GetTransactionByHash(ctx context.Context, hash common.Hash) (json.RawMessage, error) {
	return s.find(ctx, "eth_getTransactionByHash", hash)
}

// GetRawTransactionByHash is eth_getRawTransactionByHash.
func (s *ethService) GetRawTransactionByHash(ctx context.Context, hash common.Hash) (json.RawMessage, error) {
	return s.find(ctx, "eth_getRawTransactionByHash", hash)
}

// find asks geth, which looks into the chain and then into its pool. A block applied between the two takes a transaction
// out of the pool that was not in the chain yet, so that it is found in neither; the chain has it at a second look.
func (s *ethService) find(ctx context.Context, method string, hash common.Hash) (json.RawMessage, error) {
	hash, err := s.txs.Resolve(hash)
	if err != nil {
		return nil, err
	}
	for second := false; ; second = true {
		var found json.RawMessage
		if err := s.client.CallContext(ctx, &found, method, hash); err != nil {
			return nil, err
		}
		if second || !(len(found) == 0 || bytes.Equal(found, []byte("null")) || bytes.Equal(found, []byte(`"0x"`))) {
			return found, nil
		}
	}
}

// syncTimeout is the error EIP-7966 asks for.
type syncTimeout struct {
	hash  common.Hash
	after time.Duration
}

func (e *syncTimeout) Error() string {
	return fmt.Sprintf("The transaction was added to the transaction pool but wasn't processed in %v", e.after)
}
func (e *syncTimeout) ErrorCode() int { return 4 }
func (e *syncTimeout) ErrorData() any { return e.hash.Hex() }

// notServed takes those of geth's tracing methods away that read or write files of this machine.
type notServed struct{}

type methodNotFound struct{ method string }

func (e methodNotFound) Error() string {
	return fmt.Sprintf("the method %s does not exist/is not available", e.method)
}
func (e methodNotFound) ErrorCode() int { return -32601 }

// TraceBlockFromFile would read a file.
func (notServed) TraceBlockFromFile() (any, error) {
	return nil, methodNotFound{"debug_traceBlockFromFile"}
}

// StandardTraceBlockToFile would write files.
func (notServed) StandardTraceBlockToFile() (any, error) {
	return nil, methodNotFound{"debug_standardTraceBlockToFile"}
}

// StandardTraceBadBlockToFile would write files.
func (notServed) StandardTraceBadBlockToFile() (any, error) {
	return nil, methodNotFound{"debug_standardTraceBadBlockToFile"}
}
