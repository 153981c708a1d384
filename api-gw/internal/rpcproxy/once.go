package rpcproxy

import (
	"errors"
	"net"
	"slices"
	"strings"

	"blindseq/kit/jsonrpc"
)

// errOnce says that a call may have been carried out, and that carrying it out twice would be something else.
var errOnce = errors.New("the connection to the leading producer broke: the call may have been carried out, and is not repeated")

// once says whether a request must not be repeated: a development chain would make more blocks, move its clock further, or sign another
// transaction. A transaction that its wallet has signed may come twice: it has one hash.
func once(body []byte) bool {
	calls, _ := jsonrpc.Calls(body)
	return slices.ContainsFunc(calls, func(c jsonrpc.Call) bool {
		return slices.ContainsFunc(c.Methods, func(name string) bool {
			return name == "eth_sendTransaction" || strings.HasPrefix(name, "evm_") || strings.HasPrefix(name, "hardhat_") || strings.HasPrefix(name, "anvil_")
		})
	})
}

// unsent says whether a request failed before any of it was sent.
func unsent(err error) bool {
	var broken *net.OpError
	return errors.As(err, &broken) && broken.Op == "dial"
}
