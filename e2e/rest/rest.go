// Package rest calls the gateway's REST API as a user's program does: over HTTP, with JSON.
package rest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"

	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// Error is an answer other than 200.
type Error struct {
	Status int
	Body   string
}

func (e *Error) Error() string { return fmt.Sprintf("status %d: %.400s", e.Status, e.Body) }

// Client calls one gateway.
type Client struct {
	base   string
	http   *http.Client
	header http.Header // of every call, besides its own
}

// New returns a client of the gateway at base, which makes at most conns connections.
func New(base string, conns int) *Client {
	return &Client{base: base, http: &http.Client{Transport: &http.Transport{MaxConnsPerHost: conns, MaxIdleConnsPerHost: conns}}}
}

// NewVia returns a client of the gateway at base that calls through a transport, with headers of its own on every call.
func NewVia(base string, transport http.RoundTripper, header http.Header) *Client {
	return &Client{base: base, http: &http.Client{Transport: transport}, header: header}
}

// ProduceBlock makes a block. id is the idempotency key, body the request in JSON; either may be empty.
func (c *Client) ProduceBlock(ctx context.Context, id, body string) (*gatewayv1.ProduceBlockResponse, error) {
	header := http.Header{}
	if id != "" {
		header.Set("Idempotency-Key", id)
	}
	answer := new(gatewayv1.ProduceBlockResponse)
	return answer, c.call(ctx, http.MethodPost, "/v1/produce_block", header, body, answer)
}

// Status asks for the state of the whole pipeline.
func (c *Client) Status(ctx context.Context) (*gatewayv1.GetStatusResponse, error) {
	answer := new(gatewayv1.GetStatusResponse)
	return answer, c.call(ctx, http.MethodGet, "/v1/status", nil, "", answer)
}

func (c *Client) call(ctx context.Context, method, path string, header http.Header, body string, answer proto.Message) error {
	status, raw, err := c.Do(ctx, method, path, header, body)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("%s %s: %w", method, path, &Error{Status: status, Body: string(raw)})
	}
	if err := protojson.Unmarshal(raw, answer); err != nil {
		return fmt.Errorf("%s %s: %w: %.400s", method, path, err, raw)
	}
	return nil
}

// Do sends any request and returns any answer.
func (c *Client) Do(ctx context.Context, method, path string, header http.Header, body string) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	maps.Copy(req.Header, c.header)
	maps.Copy(req.Header, header)
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return resp.StatusCode, answer, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }
