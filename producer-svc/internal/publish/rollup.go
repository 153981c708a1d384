package publish

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"blindseq/producer-svc/backpressure"
)

const (
	// callTimeout bounds one call: a node that hangs is one that is away.
	callTimeout = 10 * time.Second
	// maxAnswer bounds what is read of an answer; those wanted are a number each.
	maxAnswer = 64 << 10
	// numberKey is where the rollup's durable storage has the number of its last block, little-endian.
	numberKey = "/evm/world_state/blocks/current/number"
)

// ErrRollupNode is an answer that is none.
var ErrRollupNode = errors.New("rollup node gave an unexpected answer")

// RollupNode speaks with an Octez smart rollup node: its batcher, and the durable storage of the rollup.
type RollupNode struct {
	base   string
	client *http.Client
}

// NewRollupNode returns a client of the node at a URL. Close it.
func NewRollupNode(url string) *RollupNode {
	return &RollupNode{base: strings.TrimSuffix(url, "/"), client: &http.Client{Transport: new(http.Transport), Timeout: callTimeout}}
}

// Close ends idle connections.
func (r *RollupNode) Close() error {
	r.client.CloseIdleConnections()
	return nil
}

// Inject implements Rollup. The batcher drops what it was given before.
func (r *RollupNode) Inject(ctx context.Context, messages []string) error {
	body, err := json.Marshal(messages)
	if err != nil {
		return fmt.Errorf("encode messages: %w", err)
	}
	_, err = r.call(ctx, http.MethodPost, "/local/batcher/injection?drop_duplicate=true", body)
	return err
}

// Look implements Rollup. The number is read at the level that was returned, not at a later head.
func (r *RollupNode) Look(ctx context.Context) (backpressure.Seen, error) {
	raw, err := r.call(ctx, http.MethodGet, "/global/block/head/level", nil)
	if err != nil {
		return backpressure.Seen{}, err
	}
	var seen backpressure.Seen
	if err := json.Unmarshal(raw, &seen.Level); err != nil {
		return backpressure.Seen{}, fmt.Errorf("%w: level %.40s", ErrRollupNode, raw)
	}
	raw, err = r.call(ctx, http.MethodGet, fmt.Sprintf("/global/block/%d/durable/wasm_2_0_0/value?key=%s", seen.Level, numberKey), nil)
	if err != nil {
		return backpressure.Seen{}, err
	}
	seen.Confirmed, err = decodeNumber(raw)
	return seen, err
}

// decodeNumber reads the JSON of a value: its bytes in hex, or null when the rollup has no block yet.
func decodeNumber(raw []byte) (uint64, error) {
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil {
		return 0, fmt.Errorf("%w: block number %.80s", ErrRollupNode, raw)
	}
	if text == nil {
		return 0, nil
	}
	value, err := hex.DecodeString(*text)
	if err != nil || len(value) > 32 {
		return 0, fmt.Errorf("%w: block number %.80s", ErrRollupNode, raw)
	}
	var number uint64
	for i, b := range value {
		if i >= 8 && b != 0 {
			return 0, fmt.Errorf("%w: block number %.80s", ErrRollupNode, raw)
		}
		if i < 8 {
			number |= uint64(b) << (8 * i)
		}
	}
	return number, nil
}

func (r *RollupNode) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask rollup node: %w", err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask rollup node: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask rollup node: %w", err)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%w: status %d: %.200s", ErrRollupNode, response.StatusCode, answer)
	}
	return answer, nil
}
