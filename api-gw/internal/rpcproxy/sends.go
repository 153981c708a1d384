package rpcproxy

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"strings"

	"blindseq/kit/jsonrpc"
	"blindseq/seal"

	"github.com/tidwall/gjson"
	"golang.org/x/crypto/sha3"
)

const (
	sendMethod     = "eth_sendRawTransaction"
	sendSyncMethod = "eth_sendRawTransactionSync"

	// codeNotProcessed is EIP-7966's: the transaction is accepted and in no block yet; the data is its hash.
	codeNotProcessed = 4
)

// send is a call that sends a transaction.
type send struct {
	id   string // JSON, as in the request
	tx   string // in hexadecimal digits
	sync bool
}

// sendsOf finds the calls of a request that send a transaction. A call that does not parse is not one.
func sendsOf(body []byte) (sends []send) {
	if !bytes.Contains(body, []byte(sendMethod)) {
		return nil
	}
	if c, plain := jsonrpc.ParsePlain(body); plain {
		if isSend(c.Method.String()) && c.ID.Exists() && c.Params.IsArray() {
			if tx := c.Params.Get("0"); tx.Type == gjson.String {
				return []send{{c.ID.Raw, tx.Str, c.Method.Str == sendSyncMethod}}
			}
		}
		return nil
	}
	calls, _ := parse[sendCall](body)
	for _, c := range calls {
		if one, ok := c.send(); ok {
			sends = append(sends, one)
		}
	}
	return sends
}

func isSend(method string) bool { return method == sendMethod || method == sendSyncMethod }

type sendCall struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

func (c sendCall) send() (send, bool) {
	if !isSend(c.Method) || len(c.Params) == 0 || len(c.ID) == 0 {
		return send{}, false
	}
	var tx string
	if json.Unmarshal(c.Params[0], &tx) != nil {
		return send{}, false
	}
	return send{id: string(c.ID), tx: tx, sync: c.Method == sendSyncMethod}, true
}

// hash is what a producer answers for the transaction when it takes it: the id of a sealed one, the hash of any other. It takes none
// that is not in digits.
func (s send) hash() string {
	raw, err := hex.DecodeString(strings.TrimPrefix(s.tx, "0x"))
	if err != nil {
		return ""
	}
	if seal.IsSealed(raw) {
		if sealed, err := seal.Parse(raw); err == nil {
			return sealed.ID().String()
		}
	}
	h := sha3.NewLegacyKeccak256()
	h.Write(raw)
	return "0x" + hex.EncodeToString(h.Sum(nil))
}

// sendReply is the part of an answer that the proxy reads.
type sendReply struct {
	ID    json.RawMessage `json:"id"`
	Error *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    any    `json:"data"`
	} `json:"error"`
}

// correct inspects the answer to a request that sends transactions. notNow says why one of them cannot be accepted now. After
// a retry, a transaction that the leader already has was delivered by an earlier attempt: its call is answered as if that
// attempt had succeeded.
func correct(sends []send, answer []byte, repeated bool) (corrected []byte, notNow string) {
	all, batch := parse[json.RawMessage](answer)
	byID, changed := map[string]send{}, false
	for _, one := range sends {
		byID[one.id] = one
	}
	for i, raw := range all {
		var r sendReply
		if json.Unmarshal(raw, &r) != nil || r.Error == nil {
			continue
		}
		one, sent := byID[string(r.ID)]
		switch {
		case sent && r.Error.Code == jsonrpc.Unavailable:
			return answer, cmp.Or(r.Error.Message, "unavailable")
		case sent && repeated && len(byID) == len(sends) && knows(r.Error.Data):
			all[i], changed = one.taken(), true
		}
	}
	switch {
	case !changed:
		return answer, ""
	case batch:
		return jsonrpc.Encode(all), ""
	}
	return all[0], ""
}

// knows reports whether the data of a producer's error say that it has the transaction, on disk or in a block.
func knows(data any) bool {
	fields, ok := data.(map[string]any)
	return ok && fields["known"] == true
}

// taken is the answer to a call whose transaction was accepted.
func (s send) taken() json.RawMessage {
	if !s.sync {
		return jsonrpc.Result(json.RawMessage(s.id), s.hash())
	}
	return jsonrpc.Failure(json.RawMessage(s.id), jsonrpc.Error{
		Code: codeNotProcessed, Message: "the transaction was accepted while the leader changed; ask for its receipt", Data: s.hash(),
	})
}
