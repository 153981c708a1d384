package rpc

import (
	"context"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// teService is the namespace te.
type teService struct {
	Config
	txs Transactions
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
