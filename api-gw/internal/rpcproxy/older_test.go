package rpcproxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"blindseq/api-gw/internal/fakes"
)

const (
	lacks = `"error":{"code":4444,"message":"balance of block 5: historical state is not available, it is kept from block 9 on"}`
	// anOldNonce is about a block, and so no wallet's question for its next transaction.
	anOldNonce = `{"jsonrpc":"2.0","id":1,"method":"eth_getTransactionCount","params":["0x01", "0x5"]}`
)

// startOlder is a producer that answers batches call by call.
func startOlder(t *testing.T, name, says string) *producer {
	t.Helper()
	p := startProducer(t, name, 9)
	p.Handle(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Blindseq-Head", "9-9")
		var batch []struct{ ID json.RawMessage }
		if json.Unmarshal(body, &batch) != nil {
			_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,%s}`, fakes.IDOf(body), says)
			return
		}
		var answers []string
		for _, one := range batch {
			answers = append(answers, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,%s}`, one.ID, says))
		}
		_, _ = io.WriteString(w, "["+strings.Join(answers, ",")+"]")
	})
	return p
}

func TestWhatTheLeaderDoesNotKeepIsAskedOfTheReplicaThatDoes(t *testing.T) {
	questions := map[string]string{
		"alone or with others": aRead, "about a nonce": anOldNonce, "heavy": callOf("debug_traceTransaction", `["0x01"]`),
		"a batch": "[" + aRead + "," + aRead + "]", "about a block's hash": callOf("eth_call", `[{},{"blockHash":"0x01"}]`),
	}
	leader, a, b, c := startOlder(t, "leader", lacks), startOlder(t, "a", lacks), startOlder(t, "b", lacks), startOlder(t, "c", `"result":"c"`)
	g := spreading(t, leader, a, b, c)
	for name, question := range questions {
		for range 8 { // each of them has its turn
			if answer := g.ask(t, question); !strings.Contains(answer, `"result":"c"`) || strings.Contains(answer, "error") {
				t.Errorf("%s: %s", name, answer)
			}
		}
	}
	g = spreading(t, leader, a, b)
	for name, question := range questions {
		for range 8 {
			if answer := g.ask(t, question); !strings.Contains(answer, lacks) {
				t.Errorf("%s, which nobody keeps: %s", name, answer)
			}
		}
	}
	if g = spreading(t, leader); !strings.Contains(g.ask(t, aRead), lacks) {
		t.Error("without a replica the leader's answer is another")
	}
}
