package rpc

import (
	"context"
	"errors"
	"fmt"

	"blindseq/kit/jsonrpc"
	"blindseq/producer-svc/internal/chain"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// States knows which states a chain has.
type States interface {
	Head() (number uint64, hash common.Hash, timestamp uint64)
	Kept() chain.Kept
	StateInMemory(number uint64) bool
	Locate(block gethrpc.BlockNumberOrHash) (number uint64, ok bool)
	BlockWith(transaction common.Hash) (number uint64, ok bool)
}

// notKept is the error about a state that was removed. Its code is geth's for history that was.
type notKept struct {
	what         string
	block, first uint64
}

func (e notKept) Error() string {
	return fmt.Sprintf("%s of block %d: historical state is not available, it is kept from block %d on", e.what, e.block, e.first)
}
func (notKept) ErrorCode() int { return jsonrpc.NotKept }

// proof is what needs more than the state.
const proof = "proof"

// states asks about states.
type states struct{ States }

// readState asks geth about the state of a block. A state that leaves the memory while it is read cannot be read to the end, and is read
// again where it went.
func readState[T any](s states, what string, block *gethrpc.BlockNumberOrHash, ask func() (T, error)) (T, error) {
	answer, err := ask()
	if err == nil || block == nil {
		return answer, err
	}
	number, ok := s.Locate(*block)
	if !ok || s.StateInMemory(number) {
		return answer, err
	}
	kept := s.Kept()
	first := kept.States
	if what == proof {
		first = max(first, kept.Proofs)
	}
	if number < first {
		return answer, notKept{what, number, first}
	}
	return ask()
}

// traced asks geth to execute a block again, which needs the state before it.
func (s states) traced(number uint64, ok bool, ask func() (any, error)) (any, error) {
	if !ok || number == 0 {
		return ask()
	}
	parent := gethrpc.BlockNumberOrHashWithNumber(gethrpc.BlockNumber(number - 1))
	answer, err := readState(s, "trace", &parent, ask)
	if lost := (notKept{}); errors.As(err, &lost) {
		return nil, notKept{"trace", number, lost.first + 1}
	}
	return answer, err
}

// gethStates is what of geth's methods about a state has types that it exports.
type gethStates interface {
	GetBalance(context.Context, common.Address, *gethrpc.BlockNumberOrHash) (*hexutil.Big, error)
	GetCode(context.Context, common.Address, *gethrpc.BlockNumberOrHash) (hexutil.Bytes, error)
	GetStorageAt(context.Context, common.Address, string, *gethrpc.BlockNumberOrHash) (hexutil.Bytes, error)
	GetStorageValues(context.Context, map[common.Address][]common.Hash, *gethrpc.BlockNumberOrHash) (map[common.Address][]hexutil.Bytes, error)
}

type gethNonces interface {
	GetTransactionCount(context.Context, common.Address, *gethrpc.BlockNumberOrHash) (*hexutil.Uint64, error)
}

// stateService replaces geth's methods that read the state of a block, for the sake of their errors.
type stateService struct {
	states
	geth   gethStates
	nonces gethNonces
}

var errNoStates = errors.New("geth has no service for states")

func newStateService(apis []gethrpc.API, known states) (*stateService, error) {
	s := &stateService{states: known}
	for _, api := range apis {
		if geth, ok := api.Service.(gethStates); ok {
			s.geth = geth
		}
		if nonces, ok := api.Service.(gethNonces); ok {
			s.nonces = nonces
		}
	}
	if s.geth == nil || s.nonces == nil {
		return nil, errNoStates
	}
	return s, nil
}

// GetBalance is eth_getBalance.
func (s *stateService) GetBalance(ctx context.Context, who common.Address, block *gethrpc.BlockNumberOrHash) (*hexutil.Big, error) {
	return readState(s.states, "balance", block, func() (*hexutil.Big, error) { return s.geth.GetBalance(ctx, who, block) })
}

// GetCode is eth_getCode.
func (s *stateService) GetCode(ctx context.Context, who common.Address, block *gethrpc.BlockNumberOrHash) (hexutil.Bytes, error) {
	return readState(s.states, "code", block, func() (hexutil.Bytes, error) { return s.geth.GetCode(ctx, who, block) })
}

// GetStorageAt is eth_getStorageAt.
func (s *stateService) GetStorageAt(ctx context.Context, who common.Address, slot string, block *gethrpc.BlockNumberOrHash) (hexutil.Bytes, error) {
	return readState(s.states, "storage", block, func() (hexutil.Bytes, error) { return s.geth.GetStorageAt(ctx, who, slot, block) })
}

// GetStorageValues is eth_getStorageValues.
func (s *stateService) GetStorageValues(
	ctx context.Context, slots map[common.Address][]common.Hash, block *gethrpc.BlockNumberOrHash,
) (map[common.Address][]hexutil.Bytes, error) {
	return readState(s.states, "storage", block, func() (map[common.Address][]hexutil.Bytes, error) {
		return s.geth.GetStorageValues(ctx, slots, block)
	})
}

// GetTransactionCount is eth_getTransactionCount.
func (s *stateService) GetTransactionCount(ctx context.Context, who common.Address, block *gethrpc.BlockNumberOrHash) (*hexutil.Uint64, error) {
	return readState(s.states, "nonce", block, func() (*hexutil.Uint64, error) { return s.nonces.GetTransactionCount(ctx, who, block) })
}
