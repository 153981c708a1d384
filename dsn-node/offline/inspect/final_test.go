package inspect_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"blindseq/dsn-node/offline/inspect"
	"blindseq/seal/orderproof"
)

// TestStepsOfATransactionAreVerified as they are pushed: over JSON-RPC with a proof, over REST with a preblock that has no outcomes yet.
func TestStepsOfATransactionAreVerified(t *testing.T) {
	w := newWorld(t)
	p := w.preblock()
	proof, err := orderproof.Of(p, 1)
	if err != nil {
		t.Fatal(err)
	}
	text := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	rpc := func(change func(*orderproof.Proof)) string {
		changed := *proof
		change(&changed)
		return `{"jsonrpc":"2.0","method":"te_subscription","params":{"subscription":"0x1","result":{"step":"final","hash":"0x00","proof":` + text(changed) + `}}}`
	}
	rest := func(position int, transactions, hash string) string {
		return fmt.Sprintf(`{"step":{"step":"final","number":"1","position":%d,"preblock":{"number":"1","previous_block_hash":"0x%s","timestamp":"2023-11-14T22:13:20Z",`+
			`"transactions":[%s],"content_hash":"0x%s","outcomes":[],"certificate":%s}}}`, position, strings.Repeat("00", 32), transactions, hash, marshalJSON(t, p.Certificate))
	}
	list, hash := quoted(p.Content.Transactions), hex.EncodeToString(p.ContentHash)
	for name, c := range map[string]struct {
		step, shows string
		valid       bool
	}{
		"JSON-RPC":                          {rpc(func(*orderproof.Proof) {}), "position           1 of 3", true},
		"JSON-RPC, the list left out":       {rpc(func(p *orderproof.Proof) { p.Transactions = nil }), "only its hash is verified", true},
		"JSON-RPC, no locks":                {rpc(func(p *orderproof.Proof) { p.Locks = nil }), "INVALID", false},
		"JSON-RPC, no locks, no list":       {rpc(func(p *orderproof.Proof) { p.Locks, p.Transactions = nil, nil }), "INVALID", false},
		"JSON-RPC, no list, another number": {rpc(func(p *orderproof.Proof) { p.Transactions, p.Number = nil, 2 }), "INVALID", false},
		"REST":                              {rest(1, list, hash), "position           1 of 3", true},
		"REST, the list left out":           {rest(1, "", hash), "only its hash is verified", true},
		"REST, another list":                {rest(1, list+`,"0xc0"`, hash), "INVALID", false},
		"REST, a position beyond the list":  {rest(3, list, hash), "INVALID", false},
		"REST, no list, another hash":       {rest(1, "", strings.Repeat("ab", 32)), "INVALID", false},
	} {
		shown, err := w.look([]byte(c.step))
		if (err == nil) != c.valid || !strings.Contains(shown, c.shows) || err != nil && !errors.Is(err, inspect.ErrDoesNotVerify) {
			t.Errorf("%s: %v\n%s", name, err, shown)
		}
	}
	if shown, err := w.look([]byte(`{"step":"sealed","hash":"0x00"}`)); !errors.Is(err, inspect.ErrUnknown) {
		t.Errorf("a step that shows nothing: %v\n%s", err, shown)
	}
}
