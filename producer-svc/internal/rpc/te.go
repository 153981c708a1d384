package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// teService is the namespace te.
type teService struct {
	Config
	txs Transactions
	eth *ethService
}

// AwaitReceipt is te_awaitReceipt: the receipt of a transaction as soon as it is in a block, also of one that is not known here
// yet; null when it is not within so many milliseconds, at most --receipt-hold.
func (s *teService) AwaitReceipt(ctx context.Context, hash common.Hash, milliseconds uint64) (json.RawMessage, error) {
	limit := time.Duration(min(milliseconds, uint64(s.eth.hold/time.Millisecond))) * time.Millisecond
	return s.eth.holdReceipt(ctx, hash, limit)
}

var errNotSealed = errors.New("this rollup has no keyholders: send plain transactions")

// GetEncryptionKey is te_getEncryptionKey.
func (s *teService) GetEncryptionKey() (*EncryptionKey, error) {
	if s.Key == nil {
		return nil, errNotSealed
	}
	answer := *s.Key
	if s.Config.Head != nil {
		answer.Head = hexutil.Uint64(s.Config.Head())
	}
	if s.BaseFee != nil {
		answer.BaseFee = hexutil.Uint64(s.BaseFee())
	}
	return &answer, nil
}

// GetNextSeq is te_getNextSeq: the seq for the next sealed transaction of a submitter, after those in blocks and in the pool.
func (s *teService) GetNextSeq(submitter common.Address) (hexutil.Uint64, error) {
	if s.NextSeq == nil {
		return 0, errNotSealed
	}
	return hexutil.Uint64(s.NextSeq(submitter)), nil
}

// GetOrderProof is te_getOrderProof: position, list and attestations, which Go package blindseq/seal/orderproof verifies.
func (s *teService) GetOrderProof(ctx context.Context, hash common.Hash) (any, error) {
	if s.OrderProof == nil {
		return nil, errNotSealed
	}
	return s.OrderProof(ctx, hash)
}

// BlueprintCheck is the answer of te_checkBlueprint.
type BlueprintCheck struct {
	Number hexutil.Uint64 `json:"number"`
	// Follows says that the blueprint is the one that follows from the preblock of its number.
	Follows bool `json:"follows"`
	// Signed says that the sequencer's key signed every chunk.
	Signed bool `json:"signed"`
	// PublishedHash and OwnHash are Keccak-256 of the blueprint's RLP, as it was published and as it follows here.
	PublishedHash common.Hash `json:"publishedHash"`
	OwnHash       common.Hash `json:"ownHash"`
}

// CheckBlueprint is te_checkBlueprint: whether chunks that were published, for example on layer 1, are those that follow from this
// replica's log. It is to be asked of a replica that the caller trusts.
func (s *teService) CheckBlueprint(chunks []hexutil.Bytes, key *hexutil.Bytes) (BlueprintCheck, error) {
	if s.Check == nil {
		return BlueprintCheck{}, errors.New("blueprints cannot be checked here")
	}
	raws := make([][]byte, len(chunks))
	for i := range chunks {
		raws[i] = chunks[i]
	}
	var by []byte
	if key != nil {
		by = *key
	}
	return s.Check(raws, by)
}

// TransactionStatus is the answer of te_getTransactionStatus.
type TransactionStatus struct {
	// By the hash of a transaction: unknown, queued, pending, included, skipped, dropped. By the id of a sealed one: unknown,
	// sealed, ordered, opened, executed, ended.
	Status      string          `json:"status"`
	BlockNumber *hexutil.Uint64 `json:"blockNumber,omitempty"`
	Reason      string          `json:"reason,omitempty"`
	// TransactionHash is that of the transaction inside a sealed one, when it is opened.
	TransactionHash *common.Hash `json:"transactionHash,omitempty"`
	// Barred says that the transaction is skipped wherever it is ordered, for a time: it was opened and has ended.
	Barred bool `json:"barred,omitempty"`
	// BaseFee is what the content names that ordered a sealed transaction, in wei.
	BaseFee *hexutil.Uint64 `json:"baseFeePerGas,omitempty"`
}

// GetTransactionStatus is te_getTransactionStatus: where a transaction is, whether or not it is in a block.
func (s *teService) GetTransactionStatus(hash common.Hash) (TransactionStatus, error) {
	at, err := s.txs.Status(hash)
	answer := TransactionStatus{Status: at.State, Reason: at.Reason, Barred: at.Barred, BaseFee: (*hexutil.Uint64)(at.BaseFee)}
	if at.Number > 0 {
		answer.BlockNumber = (*hexutil.Uint64)(&at.Number)
	}
	if at.Transaction != (common.Hash{}) {
		answer.TransactionHash = &at.Transaction
	}
	return answer, err
}
