package jsonrpc

import (
	"fmt"
	"strings"
)

const behalf = "blindseq for "

// Behalf is the User-Agent of a gateway that asks a node for one of its clients; factor is how many times the usual bounds the client
// has. A node counts by it what it keeps for a client.
func Behalf(client string, factor int) string { return fmt.Sprintf("%s%d %s", behalf, factor, client) }

// OnBehalf reads what Behalf wrote; false for any other User-Agent.
func OnBehalf(userAgent string) (client string, factor int, ok bool) {
	rest, ok := strings.CutPrefix(userAgent, behalf)
	if !ok {
		return "", 0, false
	}
	number, client, ok := strings.Cut(rest, " ")
	if _, err := fmt.Sscan(number, &factor); err != nil || factor < 1 {
		return "", 0, false
	}
	return client, factor, ok
}
