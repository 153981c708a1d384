package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/load"
	"blindseq/e2e/otlp"
	"blindseq/e2e/rest"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

func TestOneBlockIsOneTrace(t *testing.T) {
	t.Parallel()
	receiver, err := otlp.Start()
	must(t, err)
	t.Cleanup(receiver.Close)
	c := start(t, cluster.Options{
		OTLP: receiver.URL(),
		Args: map[string][]string{cluster.Producer: {"--time-between-blocks", "none"}},
	})
	api := rest.New(c.REST, 1)
	t.Cleanup(api.Close)
	_, err = api.ProduceBlock(t.Context(), "traced", "")
	must(t, err)

	want := []string{cluster.DSN, cluster.Monitor, cluster.Producer, cluster.Proposer}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	spans, err := receiver.Await(ctx, func(spans []otlp.Span) bool { return traceOver(spans, want) != "" })
	if err != nil {
		for trace, services := range servicesOf(spans) {
			t.Logf("trace %s: %v", trace, slices.Sorted(maps.Keys(services)))
		}
		t.Fatalf("%v: no trace has spans of all of %v", err, want)
	}
	trace := traceOver(spans, want)
	for _, s := range spans {
		if s.Trace == trace {
			t.Logf("%-14s %s", s.Service, s.Name)
		}
	}
}

// traceOver finds a trace in which all services took part.
func traceOver(spans []otlp.Span, services []string) string {
	for trace, found := range servicesOf(spans) {
		if !slices.ContainsFunc(services, func(s string) bool { return !found[s] }) {
			return trace
		}
	}
	return ""
}

func servicesOf(spans []otlp.Span) map[string]map[string]bool {
	byTrace := map[string]map[string]bool{}
	for _, s := range spans {
		if byTrace[s.Trace] == nil {
			byTrace[s.Trace] = map[string]bool{}
		}
		name, _, _ := strings.Cut(s.Service, " ") // "dsn-node sequencer"
		byTrace[s.Trace][name] = true
	}
	return byTrace
}

// TestATransactionIsOneTraceFromItsWallet sends a transaction to each port with a trace of the wallet's. All services that took part in it
// sent spans of this trace: the gateway that took it, the section that put it into a block, the round of keyholders that made it final.
func TestATransactionIsOneTraceFromItsWallet(t *testing.T) {
	t.Parallel()
	receiver, err := otlp.Start()
	must(t, err)
	t.Cleanup(receiver.Close)
	c := start(t, cluster.Options{OTLP: receiver.URL(), Keyholders: 4, Threshold: 3, Bundler: true, Args: onDemand()})
	client, accounts := wallet(t, c)
	all := []string{cluster.Gateway, cluster.Producer, cluster.Proposer, cluster.Monitor, "dsn-node sequencer", "dsn-node keyholder"}
	for i, one := range []struct {
		name, at, trace string
		services        []string
	}{
		{"plain", c.RPC, "5ec0de00000000000000000000000001", all},
		{"sealed", c.Wallets, "5ec0de00000000000000000000000002", append([]string{"dsn-node bundler"}, all...)},
	} {
		hash := sendTraced(t, one.at, one.trace, accounts[i])
		receipt(t, client, hash)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var missing []string
		if _, err := receiver.Await(ctx, func(spans []otlp.Span) bool {
			missing = slices.DeleteFunc(slices.Clone(one.services), func(service string) bool {
				return slices.ContainsFunc(spans, func(s otlp.Span) bool { return s.Trace == one.trace && s.Service == service })
			})
			return len(missing) == 0
		}); err != nil {
			t.Errorf("%s: %v: %v sent no span of the wallet's trace", one.name, err, missing)
		}
	}
}

// sendTraced sends a transfer in a trace, as a wallet that has one does.
func sendTraced(t *testing.T, url, trace string, a *load.Account) common.Hash {
	t.Helper()
	tx, err := a.Transfer(a.Address)
	must(t, err)
	raw, err := tx.MarshalBinary()
	must(t, err)
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":[%q]}`, hexutil.Encode(raw))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader([]byte(body)))
	must(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	var answer struct {
		Result common.Hash
		Error  json.RawMessage
	}
	must(t, json.NewDecoder(resp.Body).Decode(&answer))
	if answer.Error != nil || answer.Result != tx.Hash() {
		t.Fatalf("answered with %s, error %s", answer.Result, answer.Error)
	}
	return tx.Hash()
}
