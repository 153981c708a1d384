package jsonrpc

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

func TestACallHasEveryNameThatItGivesItsMethod(t *testing.T) {
	for request, want := range map[string]string{
		`{"method":"a"}`: "[{[a]}] false",
		` [{"method":"a"},{"id":1,"method":"b"}]`:         "[{[a]} {[b]}] true",
		`{"method":"a","METHOD":"b","\u006dethod":"c"}`:   "[{[a b c]}] false",
		`[{"method":"a"},7,"x",null,[],{"method":{}},{}]`: "[{[a]} {[]} {[]} {[]} {[]} {[]} {[]}] true",
		`{"method":7,"method":"b","params":{"method":1}}`: "[{[b]}] false",
		`{"id":1,"\u006dethod":"c","jsonrpc":"2.0"}`:      "[{[c]}] false",
		`{"id":1,"method":"\u0063","params":["{}"]}`:      "[{[c]}] false",
		`{"id":1,"method":{"a":1}}`:                       "[{[]}] false",
		`[{"method":"a"}`:                                 "[{[]}] true",
		`nonsense`:                                        "[{[]}] false",
		``:                                                "[{[]}] false",
		`[]`:                                              "[] true",
	} {
		calls, batch := Calls([]byte(request))
		if got := fmt.Sprint(calls, batch); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
}

// A call that is plain is read as encoding/json reads it, which is what producers use.
func FuzzPlainCallsAreReadAsByEveryParser(f *testing.F) {
	for _, request := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{"to":"0x01"},"latest"]}`, `{"method":"\u0061\ud83d\ude00"}`, ` {"id":"x"} `, `{"ID":1,"id":2}`,
		`{"params":{}}`, `{"method":"\ud800"}`, `{"method":"\ud800\u0061\ud83dx"}`, `{"id":1e5,"method":null}`, `[{"id":1}]`, `{"id":1,}`, "{\"method\":\"\x80\"}", "{\"method\":\"\x01\"}",
	} {
		f.Add([]byte(request))
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		p, ok := ParsePlain(request)
		if !ok {
			return
		}
		var want struct {
			JSONRPC, ID, Params json.RawMessage
			Method              any
		}
		if err := json.Unmarshal(request, &want); err != nil {
			t.Fatalf("%q is plain: %v", request, err)
		}
		got := []string{p.Version.Raw, p.ID.Raw, p.Params.Raw}
		if wanted := []string{string(want.JSONRPC), string(want.ID), string(want.Params)}; !slices.Equal(got, wanted) {
			t.Errorf("%q: %q, want %q", request, got, wanted)
		}
		if name, _ := want.Method.(string); p.Method.Type == gjson.String && p.Method.Str != name {
			t.Errorf("%q: method %q, want %q", request, p.Method.Str, name)
		}
	})
}

func TestAnOverlongBatchIsNoticedWithoutMemoryForItsElements(t *testing.T) {
	for request, want := range map[string]bool{
		"[1,2,3]": false, " [1,[2,{}],\"x\",{}]": true, "[1,2,3,": true, "[1,2": false, "[": false, "{}": false, "": false, "[x,1,2,3,4,5,6]": false,
	} {
		if got := TooMany([]byte(request), 3); got != want {
			t.Errorf("%s: %t", request, got)
		}
	}
	for batch, id := range map[string]string{
		` [{"jsonrpc":"2.0","id":"x","method":"a"},1]`: `"x"`, `[1,{"id":2}]`: "null", `[{"id":{}},2]`: "null",
	} {
		want := `[{"jsonrpc":"2.0","id":` + id + `,"error":{"code":-32600,"message":"batch too large: it may have at most 3 calls"}}]`
		if got := string(Long([]byte(batch), 3)); got != want {
			t.Errorf("%s is answered with %s", batch, got)
		}
	}
	long := []byte("[" + strings.Repeat("1,", 5<<19) + "1]")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	found := TooMany(long, MaxBatch)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; !found || took > 1<<20 {
		t.Errorf("found %t, with %d bytes of memory", found, took)
	}
}
