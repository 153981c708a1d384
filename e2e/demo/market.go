package demo

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

// artifacts are the contracts of exchange.sol, compiled: npm ci && npm run build, in contracts.
//
//go:embed contracts/exchange.json
var artifacts []byte

// contract is one of the contracts.
type contract struct {
	ABI      abi.ABI       `json:"abi"`
	Bytecode hexutil.Bytes `json:"bytecode"`
}

// contracts are those of exchange.sol.
type contracts struct{ Token, Pool contract }

func readContracts() (c contracts, err error) {
	if err := json.Unmarshal(artifacts, &c); err != nil {
		return c, fmt.Errorf("read the contracts: %w", err)
	}
	return c, nil
}

// creation is the data of a transaction that creates the contract.
func (c *contract) creation(args ...any) ([]byte, error) {
	packed, err := c.ABI.Pack("", args...)
	return append(bytes.Clone(c.Bytecode), packed...), err
}

// market is the exchange on the chain: two tokens and a pool.
type market struct {
	contracts
	client           *ethclient.Client
	cash, coin, pool common.Address
}

// read calls a method that returns numbers, in a block, or in the last one.
func (m *market) read(ctx context.Context, c *contract, to common.Address, block *big.Int, method string, args ...any) ([]*big.Int, error) {
	data, err := c.ABI.Pack(method, args...)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", method, err)
	}
	result, err := m.client.CallContract(ctx, ethereum.CallMsg{To: &to, Data: data}, block)
	if err == nil && len(result) != common.HashLength*len(c.ABI.Methods[method].Outputs) {
		err = fmt.Errorf("%d bytes are not its answer", len(result))
	}
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", method, err)
	}
	var numbers []*big.Int
	for word := range slices.Chunk(result, common.HashLength) {
		numbers = append(numbers, new(big.Int).SetBytes(word))
	}
	return numbers, nil
}

// balance is what an account has of a token, in a block.
func (m *market) balance(ctx context.Context, token, of common.Address, block *big.Int) (*big.Int, error) {
	has, err := m.read(ctx, &m.Token, token, block, "balanceOf", of)
	if err != nil {
		return nil, err
	}
	return has[0], nil
}

// reserves are the pool's, in a block, or in the last one.
func (m *market) reserves(ctx context.Context, block *big.Int) (reserves, error) {
	has, err := m.read(ctx, &m.Pool, m.pool, block, "reserves")
	if err != nil {
		return reserves{}, err
	}
	return reserves{cash: has[0], coin: has[1]}, nil
}

// swap is a trade: coin is bought with cash, or sold for it, unless it gives less than a minimum.
type swap struct {
	Buys          bool
	Paid, Minimum *big.Int
}

func (m *market) swapData(s swap) ([]byte, error) {
	return m.Pool.ABI.Pack("swap", s.Buys, s.Paid, s.Minimum)
}

var errNoSwap = errors.New("not a swap in this pool")

// swapOf reads a trade out of a transaction.
func (m *market) swapOf(tx *types.Transaction) (s swap, err error) {
	method := m.Pool.ABI.Methods["swap"]
	if to := tx.To(); to == nil || *to != m.pool || !bytes.HasPrefix(tx.Data(), method.ID) {
		return s, errNoSwap
	}
	args, err := method.Inputs.Unpack(tx.Data()[len(method.ID):])
	if err != nil {
		return s, fmt.Errorf("%w: %w", errNoSwap, err)
	}
	return s, method.Inputs.Copy(&s, args)
}
