package rest_test

import (
	"bufio"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"blindseq/api-gw/internal/fakes"
	"blindseq/api-gw/internal/gateway"
	"blindseq/api-gw/internal/rest"
	"blindseq/kit/auth"
	"blindseq/proto/openapi"

	"github.com/getkin/kin-openapi/openapi3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func start(t *testing.T) (*httptest.Server, *fakes.Services) {
	t.Helper()
	f := fakes.Start(t)
	policy, err := auth.NewPolicy(nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, false)
	if err != nil {
		t.Fatal(err)
	}
	s := gateway.New(f.Backends(t), gateway.Timeouts{Produce: 5 * time.Second, Call: 2 * time.Second, Status: 2 * time.Second}, gateway.Lines{}, slog.New(slog.DiscardHandler))
	h, err := rest.New(t.Context(), s, policy)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server, f
}

type answer struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

func call(t *testing.T, server *httptest.Server, method, path, body string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: res.StatusCode, header: res.Header, text: string(text)}
	if method != http.MethodHead {
		if err := json.Unmarshal(text, &a.json); err != nil {
			t.Fatalf("%s %s: no JSON: %s", method, path, text)
		}
	}
	return a
}

func TestProduceBlockWithAndWithoutABody(t *testing.T) {
	server, f := start(t)
	a := call(t, server, "POST", "/v1/produce_block", "", "Idempotency-Key", "k1")
	block, _ := a.json["block"].(map[string]any)
	if a.status != 200 || a.json["request_id"] != "k1" || block["number"] != "1" || block["transactions"] != 2.0 ||
		block["timestamp"] != "2023-11-14T22:13:20Z" || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s", a.status, a.text)
	}
	if again := call(t, server, "POST", "/v1/produce_block", "{}", "Idempotency-Key", "k1"); again.text != a.text {
		t.Errorf("the repeat got %s", again.text)
	}
	call(t, server, "POST", "/v1/produce_block", `{"timestamp":"2026-01-01T00:00:00.9Z","with_delayed_transactions":false}`)
	last := f.Calls()[2]
	if last.Timestamp.Seconds != 1767225600 || last.Timestamp.Nanos != 0 || *last.WithDelayedTransactions {
		t.Errorf("asked %v", last)
	}
	call(t, server, "POST", "/v1/pool/lock", "")
	if a := call(t, server, "POST", "/v1/produce_block", ""); !strings.Contains(a.text, `"no_block":{"reason":"pool_locked"}`) &&
		!strings.Contains(a.text, `"reason": "pool_locked"`) {
		t.Errorf("got %s", a.text)
	}
}

func TestBadInputIsRefusedWithItsNameAndChangesNothing(t *testing.T) {
	server, f := start(t)
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		field, message     string
	}{
		"malformed":            {"POST", "/v1/produce_block", `{"timestamp":`, 400, "", "malformed JSON: unexpected end"},
		"no JSON":              {"POST", "/v1/produce_block", `hello`, 400, "", "malformed JSON"},
		"two objects":          {"POST", "/v1/produce_block", `{} {}`, 400, "", "data after the object"},
		"an array":             {"POST", "/v1/produce_block", `[]`, 400, "", "must be a JSON object"},
		"null":                 {"POST", "/v1/produce_block", `null`, 400, "", "must be a JSON object"},
		"unknown field":        {"POST", "/v1/produce_block", `{"timestmp":"x"}`, 400, "timestmp", "unknown field"},
		"field twice":          {"POST", "/v1/produce_block", `{"with_delayed_transactions":true,"withDelayedTransactions":false}`, 400, "withDelayedTransactions", "more than once"},
		"time of a type":       {"POST", "/v1/produce_block", `{"timestamp":5}`, 400, "timestamp", "RFC 3339"},
		"time that is none":    {"POST", "/v1/produce_block", `{"timestamp":"yesterday"}`, 400, "timestamp", "RFC 3339"},
		"bool of a type":       {"POST", "/v1/produce_block", `{"with_delayed_transactions":"yes"}`, 400, "with_delayed_transactions", "true or false"},
		"field in an empty":    {"POST", "/v1/pool/lock", `{"now":true}`, 400, "now", "unknown field"},
		"query on a POST":      {"POST", "/v1/pool/lock?now=1", ``, 400, "now", "unknown query parameter"},
		"raw of a type":        {"POST", "/v1/delayed_transactions", `{"raw":5}`, 400, "raw", "want a string"},
		"raw no hex":           {"POST", "/v1/delayed_transactions", `{"raw":"0xzz"}`, 400, "raw", "not hex"},
		"raw missing":          {"POST", "/v1/delayed_transactions", ``, 400, "raw", "is missing"},
		"negative number":      {"GET", "/v1/blueprints/-1", ``, 400, "number", "not a whole number"},
		"huge number":          {"GET", "/v1/blueprints/99999999999999999999", ``, 400, "number", "above 18446744073709551615"},
		"no number":            {"GET", "/v1/preblocks/abc", ``, 400, "number", "not a whole number"},
		"hex number":           {"GET", "/v1/blueprints/0x1", ``, 400, "number", "not a whole number"},
		"signed number":        {"GET", "/v1/blueprints/+1", ``, 400, "number", "not a whole number"},
		"number 0":             {"GET", "/v1/blueprints/0", ``, 400, "number", "at least 1"},
		"stream from 0":        {"GET", "/v1/blueprints", ``, 400, "from", "at least 1"},
		"stream from nothing":  {"GET", "/v1/blueprints?from=", ``, 400, "from", "not a whole number"},
		"stream above the end": {"GET", "/v1/blueprints?from=9", ``, 400, "", "the next blueprint is 1"},
		"limit too large":      {"GET", "/v1/proposals?limit=4294967296", ``, 400, "limit", "above 4294967295"},
		"limit twice":          {"GET", "/v1/proposals?limit=1&limit=2", ``, 400, "limit", "more than once"},
		"unknown query":        {"GET", "/v1/status?verbose=1", ``, 400, "verbose", "unknown query parameter"},
		"broken query":         {"GET", "/v1/status?a=%zz", ``, 400, "", "read query"},
		"body on a GET":        {"GET", "/v1/status", `{}`, 400, "", "takes no body"},
		"too large":            {"POST", "/v1/delayed_transactions", `{"raw":"0x` + strings.Repeat("00", 1<<19) + `"}`, 413, "", "too large"},
		"not there":            {"GET", "/v1/blueprints/7", ``, 404, "", "not applied yet"},
		"unknown path":         {"GET", "/v2/status", ``, 404, "", "not served"},
		"unknown method":       {"DELETE", "/v1/status", ``, 405, "", "DELETE is not served"},
		"GET of a POST":        {"GET", "/v1/produce_block", ``, 405, "", "POST is"},
	} {
		a := call(t, server, c.method, c.path, c.body)
		message, _ := a.json["message"].(string)
		if code, ok := a.json["code"].(float64); a.status != c.status || !strings.Contains(message, c.message) || !ok || code == 0 {
			t.Errorf("%s: got %d %s", name, a.status, a.text)
		}
		if field := violated(a); field != c.field {
			t.Errorf("%s: field %q is named in %s", name, field, a.text)
		}
		if a.status == 405 && a.header.Get("Allow") == "" {
			t.Errorf("%s: no Allow", name)
		}
	}
	if len(f.Calls()) != 0 || f.Locked() || len(f.Delayed()) != 0 {
		t.Error("refused input changed something")
	}
}

// violated is the field that the details of an error name.
func violated(a answer) string {
	details, _ := a.json["details"].([]any)
	for _, d := range details {
		m, _ := d.(map[string]any)
		list, _ := m["field_violations"].([]any)
		for _, v := range list {
			one, _ := v.(map[string]any)
			field, _ := one["field"].(string)
			return field
		}
	}
	return ""
}

func TestHeadersThatAreRefused(t *testing.T) {
	server, f := start(t)
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"content type":    {[]string{"Content-Type", "text/plain"}, 415},
		"form":            {[]string{"Content-Type", "application/x-www-form-urlencoded", "X-HTTP-Method-Override", "GET"}, 415},
		"key":             {[]string{"Idempotency-Key", "a b"}, 400},
		"empty key":       {[]string{"Idempotency-Key", ""}, 400},
		"page of others":  {[]string{"Origin", "https://evil.example"}, 403},
		"unusual timeout": {[]string{"Grpc-Timeout", "soon"}, 400},
	} {
		if a := call(t, server, "POST", "/v1/produce_block", "{}", c.headers...); a.status != c.status {
			t.Errorf("%s: got %d %s", name, a.status, a.text)
		}
	}
	if len(f.Calls()) != 0 {
		t.Error("refused input reached the producer")
	}
}

func TestErrorsOfTheServicesHaveTheirStatus(t *testing.T) {
	server, f := start(t)
	for code, want := range map[codes.Code]int{
		codes.InvalidArgument: 400, codes.Unavailable: 503, codes.ResourceExhausted: 429, codes.Internal: 500, codes.AlreadyExists: 409,
	} {
		f.Fail("producer", status.Error(code, "because"))
		a := call(t, server, "POST", "/v1/produce_block", "")
		if a.status != want || a.json["code"] != float64(code) || (want == 503) != (a.header.Get("Retry-After") != "") {
			t.Errorf("%s: got %d %s", code, a.status, a.text)
		}
	}
}

func TestBlueprintsStreamLineByLine(t *testing.T) {
	server, f := start(t)
	f.Advance(2)
	res, err := server.Client().Get(server.URL + "/v1/blueprints?from=1")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("got %d %v", res.StatusCode, res.Header)
	}
	lines := bufio.NewReader(res.Body)
	next := func() (number, failure string) {
		t.Helper()
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		var item struct {
			Result struct{ Blueprint struct{ Number string } }
			Error  struct{ Message string }
		}
		if err := json.Unmarshal([]byte(line), &item); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		return item.Result.Blueprint.Number, item.Error.Message
	}
	for _, want := range []string{"1", "2"} {
		if got, _ := next(); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	f.Advance(1) // a new one comes on the open stream
	if got, _ := next(); got != "3" {
		t.Fatalf("got %q", got)
	}
	f.Fail("producer", status.Error(codes.Unavailable, "stopping"))
	f.Advance(1)
	if got, _ := next(); got != "4" {
		t.Fatalf("got %q", got)
	}
	if _, failure := next(); !strings.Contains(failure, "stopping") {
		t.Fatalf("the last line says %q", failure)
	}
	if _, err := lines.ReadByte(); err != io.EOF {
		t.Fatalf("the stream goes on: %v", err)
	}
}

func TestEveryRouteOfTheOpenAPIDocumentAnswersAndEveryAnswerIsDescribed(t *testing.T) {
	server, f := start(t)
	f.Advance(3)
	doc := servedDocument(t, server)
	if doc.Info.Title != "blindseq gateway" || doc.Info.Version == "" || doc.Components.SecuritySchemes["bearer"].Value.Scheme != "bearer" {
		t.Errorf("info %+v, security %v", doc.Info, doc.Components.SecuritySchemes)
	}
	bodies := map[string]string{
		"/v1/pool/drop":            `{"hash":"0x` + strings.Repeat("ab", 32) + `"}`,
		"/v1/delayed_transactions": `{"raw":"0x01"}`,
	}
	routes := 0
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			routes++
			if changes := method == http.MethodPost; changes != (op.Security != nil && len(*op.Security) == 1) {
				t.Errorf("%s %s: security %v", method, path, op.Security)
			}
			if path == "/v1/blueprints" || path == "/v1/transactions/{hash}/events" {
				continue // streams: tested by themselves
			}
			a := call(t, server, method, strings.ReplaceAll(path, "{number}", "2"), bodies[path])
			if a.status != 200 {
				t.Errorf("%s %s: got %d %s", method, path, a.status, a.text)
			}
			isDescribed(t, op.Responses.Value("200"), a)
			refused := call(t, server, method, strings.ReplaceAll(path, "{number}", "2")+"?nonsense=1", bodies[path])
			if refused.status != 400 {
				t.Errorf("%s %s: a query parameter that is not described: got %d", method, path, refused.status)
			}
			isDescribed(t, op.Responses.Default(), refused)
		}
	}
	if routes != 11 {
		t.Errorf("%d routes", routes)
	}
}

// servedDocument loads what is served as any reader of OpenAPI 3 does, and holds it to the rules of OpenAPI.
func servedDocument(t *testing.T, server *httptest.Server) *openapi3.T {
	t.Helper()
	served := call(t, server, "GET", "/openapi.json", "")
	if served.text != openapi.Document() {
		t.Fatal("another document is served")
	}
	doc, err := openapi3.NewLoader().LoadFromData([]byte(served.text))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
	return doc
}

// isDescribed checks an answer against the schema of its response, which allows no other field here.
func isDescribed(t *testing.T, response *openapi3.ResponseRef, a answer) {
	t.Helper()
	media := response.Value.Content.Get(a.header.Get("Content-Type"))
	if media == nil {
		t.Fatalf("a content type that is not described: %s", a.header.Get("Content-Type"))
	}
	schema := media.Schema.Value
	if err := schema.VisitJSON(a.json); err != nil {
		t.Errorf("%s: %v", a.text, err)
	}
	for field := range a.json {
		if schema.Properties[field] == nil {
			t.Errorf("field %q is not described in %s", field, media.Schema.Ref)
		}
	}
}

// A wrong value of a field with a fixed set of values is found by who validates answers.
func TestTheOpenAPIDocumentNamesTheValuesOfStatesAndReasons(t *testing.T) {
	server, _ := start(t)
	schemas := servedDocument(t, server).Components.Schemas
	for _, c := range []struct{ schema, right, wrong string }{
		{"Proposal", `{"state":"in_flight","no_preblock_reason":""}`, `{"state":"IN_FLIGHT"}`},
		{"Proposal", `{"no_preblock_reason":"pool_empty"}`, `{"no_preblock_reason":"empty"}`},
		{"NoBlock", `{"reason":"timestamp_decreased"}`, `{"reason":""}`},
		{"Pool", `{"locked_by":["operator","back_pressure"]}`, `{"locked_by":["somebody"]}`},
		{"gateway.v1.Unopenable", `{"reason":"seed"}`, `{"reason":"other"}`},
		{"PartError", `{"part":"monitor"}`, `{"part":"gateway"}`},
		{"gateway.v1.TransactionStep", `{"step":"final"}`, `{"step":"ordered"}`},
	} {
		for text, want := range map[string]bool{c.right: true, c.wrong: false} {
			var value any
			if err := json.Unmarshal([]byte(text), &value); err != nil {
				t.Fatal(err)
			}
			if err := schemas[c.schema].Value.VisitJSON(value); (err == nil) != want {
				t.Errorf("%s %s: %v", c.schema, text, err)
			}
		}
	}
}

func TestHeadIsNotServed(t *testing.T) {
	server, _ := start(t)
	if a := call(t, server, "HEAD", "/v1/blueprints?from=1", ""); a.status != 405 {
		t.Errorf("got %d", a.status)
	}
}
