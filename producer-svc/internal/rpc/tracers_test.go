package rpc_test

import (
	"context"
	"testing"
	"time"

	"blindseq/producer-svc/internal/rpc"

	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

const (
	// loop is JUMPDEST PUSH1 0 JUMP: it uses all gas that a call may have.
	loop = "0x5b600056"
	// copies calls an account again and again, each time with 100 kB, which callTracer keeps.
	copies = "0x5b60006000620186a060006000610fff61fffff150600056"
)

func trace(ctx context.Context, client *gethrpc.Client, code string, config map[string]any) error {
	var answer any
	return client.CallContext(ctx, &answer, "debug_traceCall", map[string]string{"data": code}, "latest", config)
}

func TestATraceEndsAtItsTimeWhateverItsCallerWants(t *testing.T) {
	client := serve(t, rpc.Limits{}).dial("http", "/")
	began := time.Now()
	wantCode(t, trace(t.Context(), client, loop, map[string]any{"timeout": "99999h", "limit": -1}), -32005)
	if took := time.Since(began); took > 15*time.Second {
		t.Fatalf("it took %s", took)
	}
}

func TestATraceThatNeedsTooMuchMemoryIsStopped(t *testing.T) {
	client := serve(t, rpc.Limits{}).dial("http", "/")
	err := trace(t.Context(), client, copies, map[string]any{"tracer": "callTracer"})
	wantCode(t, err, -32005)
	wantText(t, err, "memory")
}
