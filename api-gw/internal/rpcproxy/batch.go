package rpcproxy

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// batch is calls that travel together.
type batch struct {
	calls   []string       // what is asked, each once
	places  map[string]int // of calls
	began   time.Time      // when the first got on
	done    chan struct{}  // closed when there are answers, or err
	answers [][]byte       // what follows the id in the answer to each call
	header  http.Header
	err     error
}

func (b *batch) full() bool { return len(b.calls) == maxJoined }

// add returns the place of a call, which is that of one which asks the same.
func (b *batch) add(call string) int {
	place, known := b.places[call]
	if !known {
		place = len(b.calls)
		b.places[call] = place
		b.calls = append(b.calls, call)
	}
	return place
}

// beginning is that of every request and every answer, up to the id. A call's id is its place.
const beginning = `{"jsonrpc":"2.0","id":`

// body is the request: a call alone, or a batch.
func (b *batch) body() []byte {
	var out []byte
	for i, call := range b.calls {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(strconv.AppendInt(append(out, beginning...), int64(i), 10), ',')
		out = append(append(out, call...), '}')
	}
	if len(b.calls) > 1 {
		out = append(slices.Insert(out, 0, '['), ']')
	}
	return out
}

// send asks a producer. The batch has so long from its first call on.
func (b *batch) send(to route, client string, timeout time.Duration) {
	answer, header, err := to.ask(b.body(), client, b.began.Add(timeout))
	switch {
	case err != nil:
		b.err = err
	case !b.take(answer):
		b.err = errAlone
	}
	b.header = header
}

// take takes a producer's answer apart. It is false when the answer is not one for each call, in their order.
func (b *batch) take(answer []byte) bool {
	all := [][]byte{bytes.TrimSpace(answer)}
	if len(b.calls) > 1 {
		all = split(answer, len(b.calls))
		if bytes.Contains(answer, tooLarge) {
			return false
		}
	}
	for i, one := range all {
		rest, ours := bytes.CutPrefix(one, strconv.AppendInt([]byte(beginning), int64(i), 10))
		if !ours || !bytes.HasPrefix(rest, []byte(",")) {
			return false
		}
		b.answers = append(b.answers, rest)
	}
	return len(all) == len(b.calls)
}

// tooLarge is the error of calls whose answers did not fit into that of their batch.
var tooLarge = []byte(`"error":{"code":-32003,`)

// split takes a producer's answer to n calls apart; nil when it is no array of n objects.
func split(answer []byte, n int) [][]byte {
	answer = bytes.TrimSpace(answer)
	if len(answer) < 2 || answer[0] != '[' || answer[len(answer)-1] != ']' {
		return nil
	}
	all, depth, begin := make([][]byte, 0, n), 0, 0
	for i := 1; i < len(answer)-1; i++ {
		switch answer[i] {
		case '"':
			for i++; i < len(answer) && answer[i] != '"'; i++ {
				if answer[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			if depth == 0 {
				begin = i
			}
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				all = append(all, answer[begin:i+1])
			}
		}
	}
	if len(all) != n || depth != 0 {
		return nil
	}
	return all
}
