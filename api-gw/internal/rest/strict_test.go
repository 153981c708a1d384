package rest

import (
	"bytes"
	"testing"

	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
)

// FuzzCheckBody: what the strict check lets through is what the gateway can read, and what it refuses is typed.
func FuzzCheckBody(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"timestamp":"2026-01-01T00:00:00Z","with_delayed_transactions":true}`, `{"timestamp":null}`, `{"a":1}`,
		`{"timestamp":1}`, `{`, `{}}`, `[{}]`, `{"withDelayedTransactions":false}`, "{\"with_delayed_transactions\":true,\"\\u0074imestamp\":\"x\"}",
	} {
		f.Add([]byte(seed))
	}
	message := (&gatewayv1.ProduceBlockRequest{}).ProtoReflect().Descriptor()
	f.Fuzz(func(t *testing.T, body []byte) {
		if err := checkBody(message, body); err != nil {
			if status.Code(err) != codes.InvalidArgument {
				t.Fatalf("an untyped error: %v", err)
			}
			return
		}
		var req gatewayv1.ProduceBlockRequest
		if err := protojson.Unmarshal(body, &req); err != nil && len(bytes.TrimSpace(body)) > 0 {
			t.Fatalf("%q passed the check and is refused by the gateway: %v", body, err)
		}
	})
}
