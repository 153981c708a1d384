package rpc_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"blindseq/kit/jsonrpc"
	"blindseq/producer-svc/internal/rpc"

	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// gethAlone serves the same chain without any service of ours.
func (s *served) gethAlone() *served {
	server := gethrpc.NewServer()
	s.t.Cleanup(server.Stop)
	for _, api := range s.chain.APIs() {
		must(s.t, server.RegisterName(api.Namespace, api.Service))
	}
	listening := httptest.NewServer(server)
	s.t.Cleanup(listening.Close)
	return &served{t: s.t, url: strings.TrimPrefix(listening.URL, "http://")}
}

// Calls that compute are answered as geth answers them, whatever their arguments are.
func TestCallsThatComputeAreAnsweredLikeGeths(t *testing.T) {
	s := serve(t, rpc.Limits{})
	geth := s.gethAlone()
	const to = `{"to":"0x0000000000000000000000000000000000000002","data":"0xab"}`
	usual := []string{
		`[]`, `[null]`, `[7]`, `["x"]`, `{}`, `[` + to + `]`, `[` + to + `,"latest"]`, `[` + to + `,"0x0"]`, `[` + to + `,"0x77"]`, `[` + to + `,"x"]`, `[` + to + `,null]`,
		`[` + to + `,"latest",{"0x0000000000000000000000000000000000000002":{"code":"0x60005260206000f3"}}]`, `[` + to + `,"latest",{},{"number":"0x9"}]`,
		`[` + to + `,"latest",7]`, `[` + to + `,"latest",{},7]`, `[` + to + `,"latest",{},{},7]`, `[{"data":"0x60006000fd"}]`, `[{"data":"0xfe"},"latest"]`,
		`[{"blockStateCalls":[{"calls":[` + to + `]}]},"latest"]`,
	}
	const account = `"0x00000000000000000000000000000000000000bb"`
	for method, more := range map[string][]string{
		"eth_call": nil, "eth_estimateGas": nil, "eth_createAccessList": nil, "eth_simulateV1": nil,
		"eth_getProof": {`[` + account + `,["0x1"],"latest"]`, `[` + account + `,[],null]`, `[` + account + `]`, `[` + account + `,[],"0x77"]`, `[` + account + `,7]`},
	} {
		for _, parameters := range slices.Concat(usual, more) {
			body := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + parameters + `}`
			status, answer := s.post(body)
			wantStatus, want := geth.post(body)
			equal(t, body, answer, want)
			equal(t, body, status, wantStatus)
		}
	}
}

// askFor is post, by a gateway for a client.
func (s *served) askFor(client, body string) string {
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, "http://"+s.url, strings.NewReader(body))
	must(s.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", jsonrpc.Behalf(client, 1))
	res, err := http.DefaultClient.Do(req)
	must(s.t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	must(s.t, err)
	return string(answer)
}

// Each method that computes takes its client's time, and none is answered when that is used up.
func TestAClientThatHasComputedForItsTimeIsRefused(t *testing.T) {
	s := serve(t, rpc.Limits{Computing: 1e-6})
	const loop = `{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"data":"0x5b600056"},"latest"]}`
	s.askFor("203.0.113.7", loop)
	for _, call := range []string{
		`"eth_call","params":[{}]`, `"eth_estimateGas","params":[{}]`, `"eth_createAccessList","params":[{}]`, `"eth_simulateV1","params":[{}]`,
		`"eth_getProof","params":["0x00000000000000000000000000000000000000bb",[]]`, `"eth_getLogs","params":[{}]`, `"debug_traceCall","params":[{},"latest"]`,
	} {
		if answer := s.askFor("203.0.113.7", `{"jsonrpc":"2.0","id":1,"method":`+call+`}`); !strings.Contains(answer, "-32005") || !strings.Contains(answer, "computed longer") {
			t.Errorf("%s: %s", call, answer)
		}
	}
	if answer := s.askFor("203.0.113.8", `{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{}]}`); strings.Contains(answer, "-32005") {
		t.Errorf("another client: %s", answer)
	}
	if answer := s.askFor("203.0.113.7", `{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}`); !strings.Contains(answer, "0x539") {
		t.Errorf("a call that does not compute: %s", answer)
	}
	if _, answer := s.post(loop); strings.Contains(answer, "-32005") {
		t.Errorf("without a gateway: %s", answer)
	}
}
