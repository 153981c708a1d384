package seal_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// A wallet seals and submits by itself. It asks the rollup for its next seq and for the head, and sends nothing that is in the
// transaction.
func ExampleSealed_Encode() {
	trusted := committeetest.ForExample(4, 3, 1).Committee // a wallet has it from committee.Read
	rollup := httptest.NewServer(fakeRollup(trusted))
	defer rollup.Close()
	wallet, err := crypto.GenerateKey()
	if err != nil {
		panic(err)
	}
	account := crypto.PubkeyToAddress(wallet.PublicKey)

	var seq, head hexutil.Uint64
	call(rollup.URL, &seq, "te_getNextSeq", account)
	call(rollup.URL, &head, "eth_blockNumber")
	key := trusted.Keys.Key
	sealed, err := seal.Seal(key, seal.Header{
		ChainID: key.ChainID(), Key: key.ID(), Submitter: account, Seq: uint64(seq),
		Gas: 50_000, Fee: 1_000_000_000, // everybody can read them: the gas limit rounded up, the fee cap rounded down
		Expiry: uint64(head) + trusted.Limits.Lifetime/2,
	}, seal.NewSeed(), []byte("a signed transaction"))
	if err != nil {
		panic(err)
	}
	if err := sealed.Sign(wallet); err != nil {
		panic(err)
	}

	var id seal.ID
	var answer hexutil.Bytes
	call(rollup.URL, &answer, "eth_sendRawTransaction", hexutil.Bytes(sealed.Encode()))
	copy(id[:], answer)
	fmt.Println("the rollup has it:", id == sealed.ID())
	// Output:
	// the rollup has it: true
}

// call asks by JSON-RPC over HTTP, as rpc.Client of go-ethereum does.
func call(url string, result any, method string, params ...any) {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		panic(err)
	}
	response, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&struct{ Result any }{result}); err != nil {
		panic(err)
	}
}

// fakeRollup takes what passes the check, as a gateway does.
func fakeRollup(c *committee.Committee) http.Handler {
	answer := func(method string, params []json.RawMessage) any {
		switch method {
		case "te_getNextSeq":
			return hexutil.Uint64(7)
		case "eth_blockNumber":
			return hexutil.Uint64(1000)
		}
		var raw hexutil.Bytes
		if err := json.Unmarshal(params[0], &raw); err != nil {
			panic(err)
		}
		sealed, err := seal.Parse(raw)
		if err != nil {
			panic(err)
		}
		if _, err := c.Ring().Check(sealed); err != nil || sealed.Seq != 7 {
			panic(fmt.Sprint(sealed.Seq, err))
		}
		id := sealed.ID()
		return hexutil.Bytes(id[:])
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Method string
			Params []json.RawMessage
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			panic(err)
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": 1, "result": answer(q.Method, q.Params)}); err != nil {
			panic(err)
		}
	})
}
