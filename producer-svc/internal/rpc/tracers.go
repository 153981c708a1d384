package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"runtime/metrics"
	"time"

	"blindseq/kit/jsonrpc"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/tracers"
	"github.com/ethereum/go-ethereum/eth/tracers/logger"
	"github.com/ethereum/go-ethereum/rlp"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// Limits of the tracers. A stranger's call may cost seconds of a processor and, for each of its bytes, megabytes.
const (
	traceTime   = 5 * time.Second
	traceBytes  = 16 << 20 // of the answer for one transaction
	traceMemory = 32 << 20 // by which what the process keeps may grow while traces run
	traceLook   = 2 * time.Millisecond
	leastHeap   = 8 << 20 // of a process that has just begun
)

// tracesAtOnce is how many run at a time: they leave half of the processors to blocks and to other calls.
func tracesAtOnce() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// limitExceeded is the error of what asks for too much.
type limitExceeded string

func (e limitExceeded) Error() string { return string(e) }
func (limitExceeded) ErrorCode() int  { return jsonrpc.LimitExceeded }

type invalidArgument struct{ error }

func (invalidArgument) ErrorCode() int { return jsonrpc.InvalidParams }

var (
	errNoTracers    = errors.New("geth has no tracers")
	errTracesBusy   = limitExceeded("as many traces run already as may at a time; try again later")
	errTraceMemory  = limitExceeded(fmt.Sprintf("the trace needs more than %d MiB of memory; trace less at once, or with disableStack and without enableMemory", traceMemory>>20))
	errTraceTooLong = limitExceeded(fmt.Sprintf("the trace takes longer than %s", traceTime))
	errTraceTooBig  = limitExceeded(fmt.Sprintf("the trace of a transaction is larger than %d MiB; use callTracer, or disableStack and no enableMemory", traceBytes>>20))
)

// debugService replaces geth's tracing methods: few run at a time, and each ends with its client, its time or its memory.
type debugService struct {
	notServed
	states
	geth    *tracers.API
	on      *computing
	call    func(context.Context, json.RawMessage, *gethrpc.BlockNumberOrHash, *tracers.TraceCallConfig) (any, error)
	running chan struct{}
}

func newDebugService(apis []gethrpc.API, on *computing, known states) (*debugService, error) {
	for _, api := range apis {
		if geth, ok := api.Service.(*tracers.API); ok {
			return &debugService{
				states: known, geth: geth, on: on, call: decoding(geth.TraceCall), running: make(chan struct{}, tracesAtOnce()),
			}, nil
		}
	}
	return nil, errNoTracers
}

// decoding makes a function whose type of arguments is internal to geth take them in JSON.
func decoding[A, B, C, D any](f func(context.Context, A, B, C) (D, error)) func(context.Context, json.RawMessage, B, C) (D, error) {
	return func(ctx context.Context, raw json.RawMessage, b B, c C) (none D, err error) {
		var a A
		if err := json.Unmarshal(raw, &a); err != nil {
			return none, invalidArgument{fmt.Errorf("invalid argument 0: %w", err)}
		}
		return f(ctx, a, b, c)
	}
}

// TraceCall is debug_traceCall.
func (s *debugService) TraceCall(ctx context.Context, args json.RawMessage, block *gethrpc.BlockNumberOrHash, config *tracers.TraceCallConfig) (any, error) {
	if config == nil {
		config = &tracers.TraceCallConfig{}
	}
	config.TraceConfig = *limitedTrace(&config.TraceConfig)
	return s.limited(ctx, func(ctx context.Context) (any, error) {
		return readState(s.states, "trace", block, func() (any, error) { return s.call(ctx, args, block, config) })
	})
}

// TraceTransaction is debug_traceTransaction.
func (s *debugService) TraceTransaction(ctx context.Context, hash common.Hash, config *tracers.TraceConfig) (any, error) {
	number, ok := s.BlockWith(hash)
	return s.again(ctx, number, ok, func(ctx context.Context) (any, error) {
		return s.geth.TraceTransaction(ctx, hash, limitedTrace(config))
	})
}

// TraceBlockByNumber is debug_traceBlockByNumber.
func (s *debugService) TraceBlockByNumber(ctx context.Context, number gethrpc.BlockNumber, config *tracers.TraceConfig) (any, error) {
	at, ok := s.Locate(gethrpc.BlockNumberOrHashWithNumber(number))
	return s.again(ctx, at, ok, func(ctx context.Context) (any, error) {
		return s.geth.TraceBlockByNumber(ctx, number, limitedTrace(config))
	})
}

// TraceBlockByHash is debug_traceBlockByHash.
func (s *debugService) TraceBlockByHash(ctx context.Context, hash common.Hash, config *tracers.TraceConfig) (any, error) {
	at, ok := s.Locate(gethrpc.BlockNumberOrHashWithHash(hash, false))
	return s.again(ctx, at, ok, func(ctx context.Context) (any, error) {
		return s.geth.TraceBlockByHash(ctx, hash, limitedTrace(config))
	})
}

// TraceBlock is debug_traceBlock.
func (s *debugService) TraceBlock(ctx context.Context, blob hexutil.Bytes, config *tracers.TraceConfig) (any, error) {
	block := new(types.Block)
	if err := rlp.DecodeBytes(blob, block); err != nil {
		return nil, invalidArgument{fmt.Errorf("could not decode block: %w", err)}
	}
	return s.again(ctx, block.NumberU64(), true, func(ctx context.Context) (any, error) {
		return s.geth.TraceBlock(ctx, blob, limitedTrace(config))
	})
}

// IntermediateRoots is debug_intermediateRoots.
func (s *debugService) IntermediateRoots(ctx context.Context, hash common.Hash, config *tracers.TraceConfig) (any, error) {
	at, ok := s.Locate(gethrpc.BlockNumberOrHashWithHash(hash, false))
	return s.again(ctx, at, ok, func(ctx context.Context) (any, error) {
		return s.geth.IntermediateRoots(ctx, hash, limitedTrace(config))
	})
}

// limitedTrace is a trace's settings within the limits.
func limitedTrace(config *tracers.TraceConfig) *tracers.TraceConfig {
	out, log := tracers.TraceConfig{}, logger.Config{}
	if config != nil {
		out = *config
	}
	if out.Config != nil {
		log = *out.Config
	}
	if log.Limit <= 0 || log.Limit > traceBytes {
		log.Limit = traceBytes
	}
	if out.Timeout != nil {
		if wanted, err := time.ParseDuration(*out.Timeout); err == nil && wanted > traceTime {
			out.Timeout = nil // geth's default is as long
		}
	}
	out.Config = &log
	return &out
}

// again runs a trace that executes a block, or a part of one, again.
func (s *debugService) again(ctx context.Context, number uint64, ok bool, trace func(ctx context.Context) (any, error)) (any, error) {
	return s.limited(ctx, func(ctx context.Context) (any, error) {
		return s.traced(number, ok, func() (any, error) { return trace(ctx) })
	})
}

// limited runs a trace, if not too many run.
func (s *debugService) limited(ctx context.Context, trace func(ctx context.Context) (any, error)) (any, error) {
	return computes(ctx, s.on, func() (any, error) { return s.limitedRun(ctx, trace) })
}

func (s *debugService) limitedRun(ctx context.Context, trace func(ctx context.Context) (any, error)) (any, error) {
	select {
	case s.running <- struct{}{}:
		defer func() { <-s.running }()
	default:
		return nil, errTracesBusy
	}
	ctx, cancel := context.WithTimeoutCause(ctx, traceTime, errTraceTooLong)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go watchMemory(ctx, stop)
	answer, err := trace(ending(ctx))
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return nil, cause
	}
	if raw, ok := answer.(json.RawMessage); ok && len(raw) > traceBytes {
		return nil, errTraceTooBig
	}
	return answer, err
}

// watchMemory stops what runs when the process has grown too much since it began, until ctx ends. The heap is collected when it has
// twice the size of what is kept, so it can be larger than that only when more is kept.
func watchMemory(ctx context.Context, stop context.CancelCauseFunc) {
	look := time.NewTicker(traceLook)
	defer look.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	most := 2 * (max(sample[0].Value.Uint64(), leastHeap) + traceMemory)
	for {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
		if metrics.Read(sample); sample[1].Value.Uint64() > most {
			stop(errTraceMemory)
			return
		}
	}
}

// ended is a context that has passed its deadline as soon as the one inside ends: geth's tracers go on when their context is
// canceled, and stop at its deadline only.
type ended struct {
	context.Context
	done chan struct{}
}

func ending(ctx context.Context) ended {
	e := ended{Context: ctx, done: make(chan struct{})}
	context.AfterFunc(ctx, func() { close(e.done) })
	return e
}

func (e ended) Done() <-chan struct{} { return e.done }

func (e ended) Err() error {
	select {
	case <-e.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}
