package jsonrpc

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func TestACallHasEveryNameThatItGivesItsMethod(t *testing.T) {
	for request, want := range map[string]string{
		`{"method":"a"}`: "[{[a]}] false",
		` [{"method":"a"},{"id":1,"method":"b"}]`:         "[{[a]} {[b]}] true",
		`{"method":"a","METHOD":"b","\u006dethod":"c"}`:   "[{[a b c]}] false",
		`[{"method":"a"},7,"x",null,[],{"method":{}},{}]`: "[{[a]} {[]} {[]} {[]} {[]} {[]} {[]}] true",
		`{"method":7,"method":"b","params":{"method":1}}`: "[{[b]}] false",
		`[{"method":"a"}`: "[{[]}] true",
		`nonsense`:        "[{[]}] false",
		``:                "[{[]}] false",
		`[]`:              "[] true",
	} {
		calls, batch := Calls([]byte(request))
		if got := fmt.Sprint(calls, batch); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
}

func TestAnOverlongBatchIsNoticedWithoutMemoryForItsElements(t *testing.T) {
	for request, want := range map[string]bool{
		"[1,2,3]": false, " [1,[2,{}],\"x\",{}]": true, "[1,2,3,": true, "[1,2": false, "[": false, "{}": false, "": false, "[x,1,2,3,4,5,6]": false,
	} {
		if got := TooMany([]byte(request), 3); got != want {
			t.Errorf("%s: %t", request, got)
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
