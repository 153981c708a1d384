package jsonrpc

import (
	"fmt"
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
