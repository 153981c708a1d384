package rpc

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// sendFirst sends the transactions of a batch that has other calls too, and waits a while for their block, before geth's server
// answers the batch. So whoever sends and reads in one batch reads the chain with the transaction in it: ethers asks for the number
// of the head with each transaction that it sends, keeps it, and waits for another block, which may be long in coming, when the
// receipt is of a later one. The answers have the order of the calls. JSON-RPC leaves the order of execution to the server.
func (s *Server) sendFirst(r *http.Request, p *patience, body []byte) {
	raws := s.sendsAmongOthers(r, body)
	if len(raws) == 0 {
		return
	}
	hashes, errs := s.eth.txs.Submit(r.Context(), raws)
	p.sent = make(map[string][]outcome, len(raws))
	for i, raw := range raws {
		p.sent[string(raw)] = append(p.sent[string(raw)], outcome{hash: hashes[i], err: errs[i]})
	}
	for i, hash := range hashes {
		if errs[i] == nil && p.left > 0 {
			_, _ = s.eth.holdReceipt(r.Context(), hash, p.left) // it is sent, whether it is in a block or not
		}
	}
}

// sendsAmongOthers are the raw transactions of a batch that geth's server would send, if it has other calls besides.
func (s *Server) sendsAmongOthers(r *http.Request, body []byte) (raws [][]byte) {
	body = bytes.TrimLeft(body, " \t\r\n")
	if s.cfg.ReceiptHold <= 0 || len(body) == 0 || body[0] != '[' || !bytes.Contains(body, []byte(sendMethod)) || !isJSON(r) {
		return nil
	}
	var calls []struct {
		call
		Params json.RawMessage `json:"params"`
	}
	if json.Unmarshal(body, &calls) != nil || len(calls) > s.cfg.Limits.BatchItems {
		return nil
	}
	for _, c := range calls {
		var params []hexutil.Bytes
		if c.Method != sendMethod || json.Unmarshal(c.Params, &params) != nil {
			continue
		}
		if c.call.Params = params; c.isSend() {
			raws = append(raws, params[0])
		}
	}
	return raws
}
