package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"blindseq/e2e/cluster"
	"blindseq/e2e/rest"
)

type badRequest struct {
	what, method, path, body string
	status                   int
	says                     string // part of the message
}

func badREST(t *testing.T, api *rest.Client) {
	const produce = "/v1/produce_block"
	for _, r := range []badRequest{
		{"cut-off JSON", http.MethodPost, produce, `{"timestamp":`, 400, ""},
		{"no JSON", http.MethodPost, produce, `hello`, 400, ""},
		{"an array", http.MethodPost, produce, `[]`, 400, ""},
		{"an unknown field", http.MethodPost, produce, `{"nope":1}`, 400, "nope"},
		{"a field twice", http.MethodPost, produce, `{"timestamp":"2026-01-01T00:00:00Z","timestamp":"2026-01-01T00:00:00Z"}`, 400, "timestamp"},
		{"a number for a time", http.MethodPost, produce, `{"timestamp":5}`, 400, "timestamp"},
		{"a time that is none", http.MethodPost, produce, `{"timestamp":"yesterday"}`, 400, "timestamp"},
		{"a time before the head's", http.MethodPost, produce, `{"timestamp":"1971-01-01T00:00:00Z"}`, 400, "timestamp"},
		{"a time from the far future", http.MethodPost, produce, `{"timestamp":"2999-01-01T00:00:00Z"}`, 400, "timestamp"},
		{"a string for a flag", http.MethodPost, produce, `{"with_delayed_transactions":"maybe"}`, 400, "with_delayed_transactions"},
		{"an oversized body", http.MethodPost, produce, `{"nope":"` + strings.Repeat("x", 8<<20) + `"}`, 413, ""},

		{"a negative number", http.MethodGet, "/v1/blueprints/-1", "", 400, ""},
		{"a number over 64 bits", http.MethodGet, "/v1/blueprints/99999999999999999999999", "", 400, ""},
		{"no number", http.MethodGet, "/v1/blueprints/abc", "", 400, ""},
		{"a number to come", http.MethodGet, "/v1/blueprints/1000000", "", 404, "1000000"},
		{"a preblock to come", http.MethodGet, "/v1/preblocks/1000000", "", 404, "1000000"},
		{"a negative preblock", http.MethodGet, "/v1/preblocks/-5", "", 400, ""},
		{"a stream from 0", http.MethodGet, "/v1/blueprints?from=0", "", 400, ""},
		{"a stream from nowhere", http.MethodGet, "/v1/blueprints?from=1000000", "", 400, ""},
		{"a stream from no number", http.MethodGet, "/v1/blueprints?from=abc", "", 400, "from"},
		{"an unknown parameter", http.MethodGet, "/v1/proposals?nope=1", "", 400, "nope"},
		{"a negative limit", http.MethodGet, "/v1/proposals?limit=-1", "", 400, "limit"},

		{"bad hex", http.MethodPost, "/v1/delayed_transactions", `{"raw":"0xzz"}`, 400, "raw"},
		{"nothing", http.MethodPost, "/v1/delayed_transactions", `{}`, 400, "raw"},
		{"no transaction", http.MethodPost, "/v1/delayed_transactions", `{"raw":"0xdeadbeef"}`, 400, ""},
		{"an unsigned transaction", http.MethodPost, "/v1/delayed_transactions", `{"raw":"` + unsigned(t) + `"}`, 400, ""},

		{"an unknown path", http.MethodGet, "/v1/nope", "", 404, ""},
		{"a wrong method", http.MethodPut, "/v1/status", "", 405, ""},
	} {
		t.Run(r.what, func(t *testing.T) { refusedREST(t, api, r, nil) })
	}
	for what, key := range map[string]string{"spaces": "a b", "too long": strings.Repeat("k", 129)} {
		t.Run("idempotency key/"+what, func(t *testing.T) {
			refusedREST(t, api, badRequest{what, http.MethodPost, produce, "", 400, "id"}, http.Header{"Idempotency-Key": {key}})
		})
	}
}

func refusedREST(t *testing.T, api *rest.Client, r badRequest, header http.Header) {
	t.Helper()
	status, answer, err := api.Do(t.Context(), r.method, r.path, header, r.body)
	must(t, err)
	var got struct {
		Code    any
		Message string
	}
	if err := json.Unmarshal(answer, &got); err != nil || got.Message == "" {
		t.Fatalf("status %d, no JSON error with a message: %.300s", status, answer)
	}
	if status != r.status || !strings.Contains(strings.ToLower(got.Message), r.says) {
		t.Fatalf("status %d %q, want %d with %q", status, got.Message, r.status, r.says)
	}
}

func badOrigin(t *testing.T, c *cluster.Cluster) {
	api := rest.New(c.DSNHTTP, 1)
	t.Cleanup(api.Close)
	proposal := func(txs, parent, timestamp, number string) string {
		return fmt.Sprintf(`{"transactions":%s,"delayed_transaction_hashes":[],"previous_block_hash":%q,"timestamp":%q,"current_blueprint_number":%s}`,
			txs, parent, timestamp, number)
	}
	hash, now := "0x"+strings.Repeat("07", 32), "2026-01-01T00:00:00Z"
	for _, r := range []badRequest{
		{"cut-off JSON", http.MethodPost, "/proposal", `{"transactions":[`, 400, "Bad request"},
		{"missing fields", http.MethodPost, "/proposal", `{"transactions":[]}`, 400, "Bad request"},
		{"odd hex", http.MethodPost, "/proposal", proposal(`["abc"]`, hash, now, `"0x2"`), 400, "Bad request"},
		{"a short hash", http.MethodPost, "/proposal", proposal(`[]`, "0x07", now, `"0x2"`), 400, "Bad request"},
		{"a time that is none", http.MethodPost, "/proposal", proposal(`[]`, hash, "yesterday", `"0x2"`), 400, "Bad request"},
		{"a number that is no string", http.MethodPost, "/proposal", proposal(`[]`, hash, now, `2`), 400, "Bad request"},
		{"a negative number", http.MethodPost, "/proposal", proposal(`[]`, hash, now, `"-2"`), 400, "Bad request"},
		{"a number far ahead", http.MethodPost, "/proposal", proposal(`[]`, hash, now, `"0xffffff"`), 500, "Internal server error"},
		{"a wrong method", http.MethodGet, "/proposal", "", 404, "not found"},
		{"an unknown path", http.MethodPost, "/proposal/", "", 404, "not found"},
	} {
		t.Run(r.what, func(t *testing.T) {
			status, answer, err := api.Do(t.Context(), r.method, r.path, nil, r.body)
			must(t, err)
			if status != r.status || !strings.Contains(string(answer), r.says) {
				t.Fatalf("status %d %q, want %d with %q", status, answer, r.status, r.says)
			}
		})
	}
}
