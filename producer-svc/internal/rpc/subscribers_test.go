package rpc_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"blindseq/kit/jsonrpc"
	"blindseq/producer-svc/internal/rpc"

	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// behalf is a client of the server that a gateway asks for.
func (s *served) behalf(scheme, client string, factor int) *gethrpc.Client {
	s.t.Helper()
	c, err := gethrpc.DialOptions(s.t.Context(), scheme+"://"+s.url+"/", gethrpc.WithHeader("User-Agent", jsonrpc.Behalf(client, factor)))
	must(s.t, err)
	s.t.Cleanup(c.Close)
	return c
}

// untilRefused makes a call again and again, and counts the answers before the limit.
func untilRefused(t *testing.T, c *gethrpc.Client, method string, params ...any) (answers []string) {
	t.Helper()
	for {
		var answer json.RawMessage
		err := c.CallContext(t.Context(), &answer, method, params...)
		coded, is := err.(gethrpc.Error) //nolint:errorlint // geth returns it bare
		if is && coded.ErrorCode() == jsonrpc.LimitExceeded {
			return answers
		}
		must(t, err)
		answers = append(answers, strings.Trim(string(answer), `"`))
		if len(answers) > 1000 {
			t.Fatal("there is no limit")
		}
	}
}

// One client had 3,000 subscriptions. What counts is what the node keeps, whatever a client says that it has ended.
func TestAClientHasSoManySubscriptionsAndFilters(t *testing.T) {
	s := serve(t, rpc.Limits{})
	for name, socket := range map[string]*gethrpc.Client{"a socket": s.dial("ws", "/"), "a client of a gateway": s.behalf("ws", "203.0.113.7", 1)} {
		ids := untilRefused(t, socket, "eth_subscribe", "logs", map[string]any{})
		equal(t, name, len(ids), 128)
		var ended bool
		_ = socket.CallContext(t.Context(), &ended, "eth_unsubscribe", "0x1") // none of this name
		equal(t, name+", none ended", len(untilRefused(t, socket, "eth_subscribe", "newHeads")), 0)
		must(t, socket.CallContext(t.Context(), &ended, "eth_unsubscribe", ids[0]))
		for len(untilRefused(t, socket, "eth_subscribe", "newHeads")) == 0 { // it is given back a little later
		}
	}
	polled := s.behalf("http", "203.0.113.7", 1)
	equal(t, "the same client elsewhere", len(untilRefused(t, polled, "eth_newBlockFilter")), 0)
	equal(t, "one with a key", len(untilRefused(t, s.behalf("ws", "acme", 2), "eth_subscribe", "newHeads")), 256)
	other := s.behalf("http", "203.0.113.8", 1)
	ids := untilRefused(t, other, "eth_newFilter", map[string]any{})
	equal(t, "filters of another client", len(ids), 128)
	equal(t, "of another kind", len(untilRefused(t, other, "eth_newPendingTransactionFilter")), 0)
	var gone bool
	must(t, other.Call(&gone, "eth_uninstallFilter", ids[0]))
	equal(t, "ended "+strconv.FormatBool(gone), len(untilRefused(t, other, "eth_newBlockFilter")), 1)
}

// A filter's logs are those of a query, with the same limits.
func TestAFiltersLogsHaveTheLimitsOfAQuery(t *testing.T) {
	s := serveAt(t, 50_000)
	client := s.dial("http", "/")
	var id string
	must(t, client.Call(&id, "eth_newFilter", map[string]any{"fromBlock": "0x64", "toBlock": "0x7d00"}))
	err := client.Call(new(json.RawMessage), "eth_getFilterLogs", id)
	if err == nil || !strings.Contains(err.Error(), "ask for blocks 100 to 10099") {
		t.Errorf("got %v", err)
	}
	var none []any
	must(t, client.Call(&none, "eth_getFilterChanges", id))
}
