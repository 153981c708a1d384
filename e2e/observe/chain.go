package observe

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"

	"blindseq/e2e/history"
	"blindseq/kit/wal"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
	"google.golang.org/protobuf/proto"
)

// blocksPerCall is how many blocks are asked for in one JSON-RPC batch.
const blocksPerCall = 50

// maxRecordBytes is that of the producer: the log refuses to be opened with less than it holds.
const maxRecordBytes = 32 << 20

// Blocks records all blocks up to the head as JSON-RPC shows them, the genesis block's hash, and the head.
func Blocks(ctx context.Context, client *ethclient.Client, by string, r *history.Recorder) (head uint64, err error) {
	genesis, err := client.HeaderByNumber(ctx, big.NewInt(0))
	if err != nil {
		return 0, fmt.Errorf("read genesis block: %w", err)
	}
	if head, err = client.BlockNumber(ctx); err != nil {
		return 0, fmt.Errorf("read head: %w", err)
	}
	r.Add(func(h *history.History) { h.Genesis, h.Head = genesis.Hash(), head })
	for from := uint64(1); from <= head; from += blocksPerCall {
		if err := blocks(ctx, client, by, from, min(from+blocksPerCall-1, head), r); err != nil {
			return 0, err
		}
	}
	return head, nil
}

type block struct {
	Number       hexutil.Uint64 `json:"number"`
	Hash         common.Hash    `json:"hash"`
	Parent       common.Hash    `json:"parentHash"`
	Timestamp    hexutil.Uint64 `json:"timestamp"`
	Transactions []common.Hash  `json:"transactions"`
}

func blocks(ctx context.Context, client *ethclient.Client, by string, from, to uint64, r *history.Recorder) error {
	calls := make([]rpc.BatchElem, 0, to-from+1)
	for n := from; n <= to; n++ {
		calls = append(calls, rpc.BatchElem{
			Method: "eth_getBlockByNumber", Args: []any{hexutil.Uint64(n), false}, Result: new(json.RawMessage),
		})
	}
	if err := client.Client().BatchCallContext(ctx, calls); err != nil {
		return fmt.Errorf("read blocks %d to %d: %w", from, to, err)
	}
	for i, c := range calls {
		var b *block
		err := c.Error
		if err == nil {
			err = json.Unmarshal(*c.Result.(*json.RawMessage), &b)
		}
		if err == nil && b == nil {
			err = errors.New("there is none")
		}
		if err != nil {
			return fmt.Errorf("read block %d: %w", from+uint64(i), err)
		}
		r.Add(func(h *history.History) {
			h.Blocks = append(h.Blocks, history.Seen[history.Block]{By: by, Value: history.Block{
				Number: uint64(b.Number), Hash: b.Hash, Parent: b.Parent, Timestamp: uint64(b.Timestamp), Transactions: b.Transactions,
			}})
		})
	}
	return nil
}

// Log records the blueprint log in dir. The producer must have ended: the log is one process's.
func Log(dir string, r *history.Recorder) error {
	log, err := wal.Open(dir, wal.Options{MaxRecord: maxRecordBytes})
	if err != nil {
		return fmt.Errorf("read blueprint log: %w", err)
	}
	defer log.Close() // only read
	return log.Range(1, func(number uint64, payload []byte) error {
		record := new(blueprintv1.LogRecord)
		if err := proto.Unmarshal(payload, record); err != nil {
			return fmt.Errorf("read blueprint log: record %d: %w", number, err)
		}
		r.Add(func(h *history.History) { h.Records = append(h.Records, record) })
		return nil
	})
}

// Key records the sequencer's public key from its key file (the seed in hex).
func Key(path string, r *history.Recorder) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read sequencer key: %w", err)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return fmt.Errorf("read sequencer key %s: not a seed in hex", path)
	}
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	r.Add(func(h *history.History) { h.Key = public })
	return nil
}
