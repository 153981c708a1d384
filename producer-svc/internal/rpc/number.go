package rpc

import (
	"bytes"
	"encoding/json"
	"net/http"

	"blindseq/kit/jsonrpc"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// longestNumberCall is more than a call of eth_blockNumber has.
const longestNumberCall = 256

// number answers a call of eth_blockNumber, which is asked more than all else: geth's server would take most of the time that the
// whole request does. Whatever is not exactly such a call is left to it.
func (s *Server) number(r *http.Request, body []byte) (answer []byte, ok bool) {
	if s.cfg.Head == nil || len(body) > longestNumberCall || !bytes.Contains(body, []byte(`"eth_blockNumber"`)) || !isJSON(r) {
		return nil, false
	}
	var c struct {
		Version string            `json:"jsonrpc"`
		ID      json.RawMessage   `json:"id"`
		Method  string            `json:"method"`
		Params  []json.RawMessage `json:"params"`
	}
	if json.Unmarshal(body, &c) != nil || c.Version != "2.0" || c.Method != "eth_blockNumber" || len(c.Params) > 0 || !jsonrpc.ValidID(c.ID) {
		return nil, false
	}
	return jsonrpc.Result(c.ID, hexutil.Uint64(s.cfg.Head())), true
}
