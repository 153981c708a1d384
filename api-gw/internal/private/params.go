package private

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// maxSeconds is the last second of the year 9999, the last that RFC 3339 can say.
const maxSeconds = 253402300799

// ErrParams is wrapped by every refusal of parameters.
var ErrParams = errors.New("invalid params")

// DecodeParams reads the parameters of produceBlock in all the forms its callers use: none or null, a bare string
// (the origin's form, outside of JSON-RPC 2.0), an array of at most one of these, and an object. A string is RFC 3339
// or decimal seconds since 1970.
func DecodeParams(raw json.RawMessage) (*gatewayv1.ProduceBlockRequest, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) > 0 && raw[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrParams, err)
		}
		if len(list) > 1 {
			return nil, fmt.Errorf("%w: got %d, want at most 1", ErrParams, len(list))
		}
		if len(list) == 0 {
			return &gatewayv1.ProduceBlockRequest{}, nil
		}
		raw = bytes.TrimSpace(list[0])
	}
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return &gatewayv1.ProduceBlockRequest{}, nil
	case raw[0] == '{':
		return decodeObject(raw)
	case raw[0] == '"':
		at, err := decodeTimestamp(raw)
		return &gatewayv1.ProduceBlockRequest{Timestamp: at}, err
	}
	return nil, fmt.Errorf("%w: want a string, an object or null, got %.20s", ErrParams, raw)
}

func decodeObject(raw json.RawMessage) (*gatewayv1.ProduceBlockRequest, error) {
	var o struct {
		Timestamp   json.RawMessage `json:"timestamp"`
		WithDelayed *bool           `json:"with_delayed_transactions"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrParams, strings.TrimPrefix(err.Error(), "json: "))
	}
	out := &gatewayv1.ProduceBlockRequest{WithDelayedTransactions: o.WithDelayed}
	if len(o.Timestamp) == 0 || string(o.Timestamp) == "null" {
		return out, nil
	}
	at, err := decodeTimestamp(o.Timestamp)
	out.Timestamp = at
	return out, err
}

func decodeTimestamp(raw json.RawMessage) (*timestamppb.Timestamp, error) {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, fmt.Errorf("%w: timestamp: want a string, got %.20s", ErrParams, raw)
	}
	seconds, err := parseSeconds(text)
	if err != nil {
		return nil, err
	}
	return &timestamppb.Timestamp{Seconds: seconds}, nil
}

func parseSeconds(text string) (int64, error) {
	if text != "" && strings.Trim(text, "0123456789") == "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n > maxSeconds {
			return 0, fmt.Errorf("%w: timestamp %.40q is after the year 9999", ErrParams, text)
		}
		return n, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, fmt.Errorf("%w: timestamp %.40q is neither RFC 3339 nor decimal seconds", ErrParams, text)
	}
	if t.Unix() < 0 || t.Unix() > maxSeconds {
		return 0, fmt.Errorf("%w: timestamp %.40q is outside of the years 1970 to 9999", ErrParams, text)
	}
	return t.Unix(), nil
}
