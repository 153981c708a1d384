// Package devrpc is the JSON-RPC that development tools expect of a local chain (hardhat, foundry and others): the funded accounts sign,
// blocks are made on demand, the clock moves forward. Only a development chain serves it.
//
// It guarantees: each block is made as any other, through proposal and preblock. So what no order of transactions can do is refused with
// the reason: to take blocks back, and to write state.
package devrpc

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"blindseq/kit/clock"
	"blindseq/kit/content"
	"blindseq/producer-svc/devaccounts"
	"blindseq/producer-svc/internal/loop"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/common"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// Head is the last block.
type Head struct {
	Number uint64
	Hash   content.Hash
	Time   int64 // seconds since 1970
}

// Deps is what the methods work with.
type Deps struct {
	ChainID *big.Int
	Version string
	// Instance identifies this process.
	Instance common.Hash
	Head     func() Head
	// Produce makes a block now; a reason says why there is none.
	Produce func(ctx context.Context) (preblockv1.NoPreblockReason, error)
	Pacer   *loop.Pacer
	Clock   *clock.Clock
	// Client calls geth's methods.
	Client *gethrpc.Client
	// Submit returns a hash or an error for each transaction; what has a hash is durable.
	Submit func(ctx context.Context, raws [][]byte) ([]common.Hash, []error)
	// Await waits a while for a transaction's block.
	Await func(ctx context.Context, hash common.Hash)
}

// APIs are the services, to be registered after those of the chain.
func APIs(d Deps) ([]gethrpc.API, error) {
	accounts, err := devaccounts.All()
	if err != nil {
		return nil, err
	}
	w := &wallet{Deps: d, keys: map[common.Address]*ecdsa.PrivateKey{}}
	for _, a := range accounts {
		w.addresses, w.keys[a.Address] = append(w.addresses, a.Address), a.Key
	}
	apis := []gethrpc.API{{Namespace: "eth", Service: w}, {Namespace: "personal", Service: personal{w}}}
	m := &mining{d}
	apis = append(apis, gethrpc.API{Namespace: "web3", Service: web3{m}})
	for name, service := range map[string]any{"evm": &evm{m}, "hardhat": &tool{m}, "anvil": &tool{m}} {
		apis = append(apis, gethrpc.API{Namespace: name, Service: service}, gethrpc.API{Namespace: name, Service: never{name}})
	}
	return apis, nil
}

// rpcError is an error with a code of JSON-RPC.
type rpcError struct {
	code int
	text string
}

func (e rpcError) Error() string  { return e.text }
func (e rpcError) ErrorCode() int { return e.code }

func invalid(format string, args ...any) error { return rpcError{-32602, fmt.Sprintf(format, args...)} }

// quantity is a number as tools write it: 16, "0x10" or "16".
type quantity uint64

var errQuantity = errors.New("not a number of 64 bits")

// UnmarshalJSON reads it.
func (q *quantity) UnmarshalJSON(raw []byte) error {
	text := string(raw)
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	}
	base := 10
	if digits, hex := strings.CutPrefix(text, "0x"); hex {
		text, base = digits, 16
	}
	n, err := strconv.ParseUint(text, base, 64)
	if err != nil {
		return fmt.Errorf("%w: %s", errQuantity, raw)
	}
	*q = quantity(n)
	return nil
}

// or is the number, or another where none is given.
func (q *quantity) or(other uint64) uint64 {
	if q == nil {
		return other
	}
	return uint64(*q)
}
