package e2e

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"blindseq/e2e/cluster"
	"blindseq/e2e/rest"
)

// line is a line of a service's log.
type line struct {
	Message   string `json:"msg"`
	Level     string `json:"level"`
	RequestID string `json:"request_id"`
	Token     uint64 `json:"token"`
	Number    uint64 `json:"number"`
	Attempt   uint64 `json:"attempt"`
}

func logOf(t *testing.T, c *cluster.Cluster, name string) (lines []line) {
	t.Helper()
	for raw := range bytes.Lines(c.Process(name).Tail(math.MaxInt)) {
		if !bytes.HasPrefix(raw, []byte("{")) {
			continue // what the test itself writes at a start
		}
		var one line
		must(t, json.Unmarshal(raw, &one))
		lines = append(lines, one)
	}
	return lines
}

// docs/events.md says how to follow a block; this does it.
func TestOneRequestIsFollowedThroughTheLogsOfAllServices(t *testing.T) {
	t.Parallel()
	args := map[string][]string{}
	for _, name := range cluster.Services() {
		args[name] = []string{"--log-format", "json"}
	}
	args[cluster.Producer] = append(args[cluster.Producer], "--time-between-blocks", "none")
	c := start(t, cluster.Options{Args: args})
	api := rest.New(c.REST, 1)
	t.Cleanup(api.Close)
	const id = "followed-through-all-logs"
	_, err := api.ProduceBlock(t.Context(), "another", "")
	must(t, err)
	made, err := api.ProduceBlock(t.Context(), id, "")
	must(t, err)
	number := made.GetBlock().GetNumber()

	page, err := os.ReadFile("../docs/events.md")
	must(t, err)
	var token uint64
	for _, step := range []struct {
		service string
		events  string
	}{
		{cluster.Proposer, "proposal submitted"},
		{cluster.DSN, "proposal accepted, preblock fixed"},
		{cluster.Monitor, "preblock delivered"},
		{cluster.Producer, "preblock received, block applied"},
		{cluster.Gateway, "produce_block made a block"},
	} {
		var events []string
		for _, l := range logOf(t, c, step.service) {
			if !strings.Contains(string(page), "| `"+l.Message+"` | "+strings.ToLower(l.Level)+" |") {
				t.Errorf("%s wrote %s %q, which docs/events.md does not list", step.service, l.Level, l.Message)
			}
			if l.RequestID != id {
				continue
			}
			events = append(events, l.Message)
			if l.Number != number {
				t.Errorf("%s: %q has number %d, the block has %d", step.service, l.Message, l.Number, number)
			}
			if l.Attempt != 1 && l.Message != "block applied" && step.service != cluster.Gateway {
				t.Errorf("%s: %q has attempt %d", step.service, l.Message, l.Attempt)
			}
			if token == 0 {
				token = l.Token
			}
			if step.service != cluster.Gateway && (l.Token == 0 || l.Token != token) {
				t.Errorf("%s: %q has token %d, other lines have %d", step.service, l.Message, l.Token, token)
			}
		}
		if got := strings.Join(events, ", "); got != step.events {
			t.Errorf("%s wrote of the request: %s; want: %s", step.service, got, step.events)
		}
	}
}
