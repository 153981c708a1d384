package chain

import (
	"context"
	"fmt"
	"runtime"

	"blindseq/kit/service"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/eth/tracers"
	"github.com/ethereum/go-ethereum/event"
	"github.com/ethereum/go-ethereum/rpc"
)

// served are the namespaces of geth's own APIs that the outside may use. "debug" is not among them: geth's can rewind
// the chain, write files and change settings. APIs adds the tracers to it, and what reads in raw form, which cannot.
var served = map[string]bool{"eth": true, "net": true, "txpool": true}

// APIs are the JSON-RPC services of the chain. A service registered after them under the same namespace replaces
// methods of the same name.
func (c *Chain) APIs() []rpc.API { return c.apis }

// Client calls the services of APIs within the process. The caller closes it.
func (c *Chain) Client() (*rpc.Client, error) {
	server := rpc.NewServer()
	for _, api := range c.apis {
		if err := server.RegisterName(api.Namespace, api.Service); err != nil {
			return nil, fmt.Errorf("register %s services: %w", api.Namespace, err)
		}
	}
	return rpc.DialInProc(server), nil
}

func assembleAPIs(backend *eth.Ethereum) []rpc.API {
	var apis []rpc.API
	for _, api := range backend.APIs() {
		if served[api.Namespace] {
			apis = append(apis, api)
		}
		if geth, ok := api.Service.(rawReader); ok {
			apis = append(apis, rpc.API{Namespace: "debug", Service: raw{geth}})
		}
	}
	system := filters.NewFilterSystem(backend.APIBackend, filters.Config{LogCacheSize: logCacheBlocks})
	apis = append(apis,
		rpc.API{Namespace: "eth", Service: filters.NewFilterAPI(system)},
		rpc.API{Namespace: "web3", Service: web3{}},
	)
	return append(apis, tracers.APIs(backend.APIBackend)...)
}

// SubscribeBlocks announces each block after it is readable. The channel must be read: geth waits for it.
func (c *Chain) SubscribeBlocks(ch chan<- core.ChainEvent) event.Subscription {
	return c.bc.SubscribeChainEvent(ch)
}

// web3 is the namespace of that name.
type web3 struct{}

// ClientVersion is web3_clientVersion, in the form of other clients: name, version, system and Go version.
func (web3) ClientVersion() string {
	return fmt.Sprintf("blindseq/%s/%s-%s/%s", service.Version, runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// Sha3 is web3_sha3.
func (web3) Sha3(input hexutil.Bytes) hexutil.Bytes { return crypto.Keccak256(input) }

// rawReader is the part of geth's namespace debug that reads the chain in its encoding.
type rawReader interface {
	GetRawHeader(ctx context.Context, block rpc.BlockNumberOrHash) (hexutil.Bytes, error)
	GetRawBlock(ctx context.Context, block rpc.BlockNumberOrHash) (hexutil.Bytes, error)
	GetRawReceipts(ctx context.Context, block rpc.BlockNumberOrHash) ([]hexutil.Bytes, error)
	GetRawTransaction(ctx context.Context, hash common.Hash) (hexutil.Bytes, error)
}

// raw serves it, and nothing else of geth's.
type raw struct{ geth rawReader }

// GetRawHeader is debug_getRawHeader.
func (r raw) GetRawHeader(ctx context.Context, block rpc.BlockNumberOrHash) (hexutil.Bytes, error) {
	return r.geth.GetRawHeader(ctx, block)
}

// GetRawBlock is debug_getRawBlock.
func (r raw) GetRawBlock(ctx context.Context, block rpc.BlockNumberOrHash) (hexutil.Bytes, error) {
	return r.geth.GetRawBlock(ctx, block)
}

// GetRawReceipts is debug_getRawReceipts.
func (r raw) GetRawReceipts(ctx context.Context, block rpc.BlockNumberOrHash) ([]hexutil.Bytes, error) {
	return r.geth.GetRawReceipts(ctx, block)
}

// GetRawTransaction is debug_getRawTransaction.
func (r raw) GetRawTransaction(ctx context.Context, hash common.Hash) (hexutil.Bytes, error) {
	return r.geth.GetRawTransaction(ctx, hash)
}
