package rpc

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/ethereum/go-ethereum/common"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// computedService replaces those methods of geth's eth namespace whose calls compute: it runs geth's in the client's turn and on the
// client's time. Arguments whose types are internal to geth come in JSON.
type computedService struct {
	states
	computing                                      *computing
	call, estimate, accessList, simulate, getProof gethMethod
}

func newComputedService(apis []gethrpc.API, c *computing, known states) (*computedService, error) {
	s := &computedService{states: known, computing: c}
	for name, to := range map[string]*gethMethod{
		"Call": &s.call, "EstimateGas": &s.estimate, "CreateAccessList": &s.accessList, "SimulateV1": &s.simulate, "GetProof": &s.getProof,
	} {
		var err error
		if *to, err = methodOf(apis, name); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Call is eth_call.
func (s *computedService) Call(ctx context.Context, args argument, block, state, header *argument) (any, error) {
	return s.run(ctx, "call", s.call, block.block(), &args, block, state, header)
}

// EstimateGas is eth_estimateGas.
func (s *computedService) EstimateGas(ctx context.Context, args argument, block, state, header *argument) (any, error) {
	return s.run(ctx, "gas", s.estimate, block.block(), &args, block, state, header)
}

// CreateAccessList is eth_createAccessList.
func (s *computedService) CreateAccessList(ctx context.Context, args argument, block, state *argument) (any, error) {
	return s.run(ctx, "access list", s.accessList, block.block(), &args, block, state)
}

// SimulateV1 is eth_simulateV1.
func (s *computedService) SimulateV1(ctx context.Context, opts argument, block *argument) (any, error) {
	return s.run(ctx, "simulation", s.simulate, block.block(), &opts, block)
}

// GetProof is eth_getProof.
func (s *computedService) GetProof(ctx context.Context, address common.Address, keys []string, block *gethrpc.BlockNumberOrHash) (any, error) {
	return s.run(ctx, proof, s.getProof, block, address, keys, block)
}

func (s *computedService) run(ctx context.Context, what string, m gethMethod, block *gethrpc.BlockNumberOrHash, arguments ...any) (any, error) {
	return computes(ctx, s.computing, func() (any, error) {
		return readState(s.states, what, block, func() (any, error) { return m.call(ctx, arguments) })
	})
}

// argument is one in JSON.
type argument struct{ raw json.RawMessage }

// UnmarshalJSON keeps it as it is.
func (a *argument) UnmarshalJSON(raw []byte) error {
	a.raw = append(a.raw[:0], raw...)
	return nil
}

// block is the block that an argument names, if it does.
func (a *argument) block() *gethrpc.BlockNumberOrHash {
	if a == nil {
		return nil
	}
	block := new(gethrpc.BlockNumberOrHash)
	if json.Unmarshal(a.raw, block) != nil {
		return nil
	}
	return block
}

// gethMethod is a method of a service of geth's: its first argument is the context, its results are a value and an error.
type gethMethod struct{ f reflect.Value }

func methodOf(apis []gethrpc.API, name string) (gethMethod, error) {
	for _, api := range apis {
		if f := reflect.ValueOf(api.Service).MethodByName(name); api.Namespace == "eth" && f.IsValid() {
			return gethMethod{f}, nil
		}
	}
	return gethMethod{}, fmt.Errorf("geth has no eth service with %s", name)
}

// call runs it. A *argument is decoded; one that is nil is left out.
func (m gethMethod) call(ctx context.Context, arguments []any) (any, error) {
	in := []reflect.Value{reflect.ValueOf(ctx)}
	for i, one := range arguments {
		value := reflect.ValueOf(one)
		if encoded, is := one.(*argument); is {
			decoded := reflect.New(m.f.Type().In(i + 1))
			if encoded != nil {
				if err := json.Unmarshal(encoded.raw, decoded.Interface()); err != nil {
					return nil, invalidArgument{fmt.Errorf("invalid argument %d: %w", i, err)}
				}
			}
			value = decoded.Elem()
		}
		in = append(in, value)
	}
	out := m.f.Call(in)
	err, _ := out[1].Interface().(error)
	return out[0].Interface(), err
}
