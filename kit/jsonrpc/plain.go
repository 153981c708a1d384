package jsonrpc

import (
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Plain is a call as nearly all clients send it. A member that it has not does not Exist.
type Plain struct{ Version, ID, Method, Params gjson.Result }

// ParsePlain reads a call that has each of its members at most once, under exactly its name, and no others: every parser of JSON takes
// the same for them, which is not so for other calls. It is many times as fast as decoding.
func ParsePlain(request []byte) (p Plain, ok bool) {
	if !utf8.Valid(request) || !gjson.ValidBytes(request) {
		return p, false
	}
	call := gjson.ParseBytes(request)
	if ok = call.IsObject(); !ok {
		return p, false
	}
	call.ForEach(func(key, value gjson.Result) bool {
		var member *gjson.Result
		switch key.Raw {
		case `"jsonrpc"`:
			member = &p.Version
		case `"id"`:
			member = &p.ID
		case `"method"`:
			member = &p.Method
		case `"params"`:
			member = &p.Params
		}
		if ok = member != nil && !member.Exists(); ok {
			*member = value
		}
		return ok
	})
	return p, ok
}
