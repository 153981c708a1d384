package chain

import (
	"encoding/json"
	"errors"

	"github.com/ethereum/go-ethereum/eth/tracers"
	_ "github.com/ethereum/go-ethereum/eth/tracers/native" // callTracer, prestateTracer and the like
	"github.com/ethereum/go-ethereum/params"
)

// ErrTracer: the tracer asked for is not one that is built in.
var ErrTracer = errors.New("no such tracer; tracers written in JavaScript are not served")

// Geth takes the name of a tracer it does not know for a program in JavaScript. A stranger's program would run here with
// no bound on its memory, so it is refused. Geth's directory of tracers is one for the process, hence init.
func init() {
	tracers.DefaultDirectory.RegisterJSEval(
		func(string, *tracers.Context, json.RawMessage, *params.ChainConfig) (*tracers.Tracer, error) {
			return nil, ErrTracer
		})
}
