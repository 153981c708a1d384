package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// Batch is the body of one JSON-RPC request with many eth_sendRawTransaction, made before the clock starts.
type Batch struct {
	Body []byte
	Size int
}

type call struct {
	Version string `json:"jsonrpc"`
	ID      int    `json:"id"`
	Method  string `json:"method"`
	Params  []any  `json:"params"`
}

// NewBatch encodes transactions.
func NewBatch(txs []*types.Transaction) (Batch, error) {
	raws := make([][]byte, 0, len(txs))
	for _, tx := range txs {
		raw, err := tx.MarshalBinary()
		if err != nil {
			return Batch{}, fmt.Errorf("encode transaction %s: %w", tx.Hash(), err)
		}
		raws = append(raws, raw)
	}
	return NewRawBatch(raws)
}

// NewRawBatch takes transactions, plain or sealed, as they are.
func NewRawBatch(raws [][]byte) (Batch, error) {
	calls := make([]call, 0, len(raws))
	for i, raw := range raws {
		calls = append(calls, call{"2.0", i, "eth_sendRawTransaction", []any{hexutil.Encode(raw)}})
	}
	body, err := json.Marshal(calls)
	if err != nil {
		return Batch{}, fmt.Errorf("encode batch: %w", err)
	}
	return Batch{Body: body, Size: len(raws)}, nil
}

// Send posts the batch and returns how many of its transactions were acknowledged; the error is the first refusal.
func (b Batch) Send(ctx context.Context, client *http.Client, url string) (acknowledged int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(b.Body))
	if err != nil {
		return 0, fmt.Errorf("send batch: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("send batch: %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, fmt.Errorf("send batch: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("send batch: %w: status %d: %.300s", ErrRefused, resp.StatusCode, raw)
	}
	return b.count(raw)
}

func (b Batch) count(raw []byte) (acknowledged int, err error) {
	var answers []struct {
		Result *common.Hash `json:"result"`
		Error  *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(raw, &answers); err != nil {
		return 0, fmt.Errorf("send batch: %w: %.300s", err, raw)
	}
	for _, a := range answers {
		switch {
		case a.Result != nil:
			acknowledged++
		case err == nil && a.Error != nil:
			err = fmt.Errorf("%w: %s (%d)", ErrRefused, a.Error.Message, a.Error.Code)
		}
	}
	if len(answers) != b.Size && err == nil {
		err = fmt.Errorf("send batch: %d answers to %d calls", len(answers), b.Size)
	}
	return acknowledged, err
}
