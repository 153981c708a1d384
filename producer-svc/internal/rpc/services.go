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
	"github.com/ethereum/go-ethereum/eth/tracers"
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
	txs    Transactions
	client *gethrpc.Client
	geth   gethReceipts
	logs   gethLogs
	head   func() uint64 // number of the last applied block; nil bounds no query for logs

	computing *computing

	receipts *receipts
	hold     time.Duration // of calls for the receipt of what is pending
}

// SendRawTransaction is eth_sendRawTransaction: the transaction is in the pool and durable when it answers.
func (s *ethService) SendRawTransaction(ctx context.Context, raw hexutil.Bytes) (common.Hash, error) {
	if sent, ok := patienceOf(ctx).take(raw); ok {
		return sent.hash, sent.err
	}
	hashes, errs := s.txs.Submit(ctx, [][]byte{raw})
	return hashes[0], errs[0]
}

// SendRawTransactionSync is eth_sendRawTransactionSync (EIP-7966): it answers with the receipt.
func (s *ethService) SendRawTransactionSync(ctx context.Context, raw hexutil.Bytes, timeout *uint64) (json.RawMessage, error) {
	hash, err := s.SendRawTransaction(ctx, raw)
	if err != nil {
		return nil, err
	}
	limit := syncTimeoutDefault
	if timeout != nil && *timeout > 0 {
		limit = time.Duration(min(*timeout, uint64(syncTimeoutMax/time.Millisecond))) * time.Millisecond
	}
	receipt, err := s.awaitReceipt(ctx, hash, limit)
	if err == nil && isNull(receipt) {
		err = &syncTimeout{hash: hash, after: limit}
	}
	return receipt, err
}

// GetTransactionReceipt is eth_getTransactionReceipt. For a transaction that is pending here it waits a while for its block, when
// the call came by HTTP: who has a WebSocket need not poll.
func (s *ethService) GetTransactionReceipt(ctx context.Context, name common.Hash) (json.RawMessage, error) {
	hash, err := s.txs.Resolve(name)
	if err != nil {
		return nil, err
	}
	receipt, err := s.receipt(ctx, hash)
	if err != nil || !isNull(receipt) || s.hold <= 0 || patienceOf(ctx) == nil {
		return receipt, err
	}
	at, err := s.txs.Status(name)
	if err != nil || !at.pending() && at.State != "included" && at.State != "executed" { // it may have come into a block just now
		return receipt, err
	}
	return s.holdReceipt(ctx, name, s.hold)
}

// receipt is null while the transaction is in no block.
func (s *ethService) receipt(ctx context.Context, hash common.Hash) (json.RawMessage, error) {
	fields, err := s.geth.GetTransactionReceipt(ctx, hash)
	if err != nil {
		return nil, err
	}
	return json.Marshal(fields)
}

// gethReceipts is what of geth's eth namespace is called directly: a call through its client costs its JSON twice more.
type gethReceipts interface {
	GetTransactionReceipt(ctx context.Context, hash common.Hash) (map[string]any, error)
}

var errNoReceipts = errors.New("geth has no service for receipts")

func receiptsOf(apis []gethrpc.API) (gethReceipts, error) {
	for _, api := range apis {
		if r, ok := api.Service.(gethReceipts); ok {
			return r, nil
		}
	}
	return nil, errNoReceipts
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
		if second || !isNull(found) && !bytes.Equal(found, []byte(`"0x"`)) {
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

// notServed takes those of geth's tracing methods away that read or write files of this machine, or have no end.
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

// TraceChain would go on for as long as the chain is.
func (notServed) TraceChain(context.Context, gethrpc.BlockNumber, gethrpc.BlockNumber, *tracers.TraceConfig) (*gethrpc.Subscription, error) {
	return nil, methodNotFound{"debug_subscribe traceChain"}
}

// StandardTraceBlockToFile would write files.
func (notServed) StandardTraceBlockToFile() (any, error) {
	return nil, methodNotFound{"debug_standardTraceBlockToFile"}
}

// StandardTraceBadBlockToFile would write files.
func (notServed) StandardTraceBadBlockToFile() (any, error) {
	return nil, methodNotFound{"debug_standardTraceBadBlockToFile"}
}
