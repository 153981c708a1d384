package inspect_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"blindseq/dsn-node/offline/inspect"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/orderproof"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// proof is what te_getOrderProof answers for the second of three transactions.
func (w world) proof(t *testing.T) map[string]any {
	t.Helper()
	p, _ := w.Preblock(&preblockv1.Content{
		Number: 1, BaseFee: 7, PreviousBlockHash: make([]byte, 32), Timestamp: &timestamppb.Timestamp{Seconds: 1_700_000_000},
		DelayedTransactionHashes: [][]byte{bytes.Repeat([]byte{4}, 32)}, Transactions: [][]byte{w.Sealed([]byte("first")), w.Sealed([]byte("plain")), {0xc1}},
	}, common.Hash{})
	proof, err := orderproof.Of(p, 1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(proof)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

func (w world) lookAt(t *testing.T, object any) (string, error) {
	t.Helper()
	b, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return w.look(b)
}

func TestOrderProofIsShownAndValid(t *testing.T) {
	w := newWorld(t)
	proof := w.proof(t)
	for name, object := range map[string]any{
		"by itself": proof, "as the whole answer": map[string]any{"jsonrpc": "2.0", "id": 1, "result": proof},
	} {
		shown, err := w.lookAt(t, object)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, line := range []string{
			"order proof of " + proof["hash"].(string), "number             1\n", "position           1 of 3 transactions", "1 delayed ones",
			"sealed", "list hash          " + proof["listHash"].(string), "attested by        authority 0\n",
			"attested by        authority 2\n", "base fee           7\n", "view               0\n", "locked by          authority 2\n", "verdict            VALID\n",
		} {
			if !strings.Contains(shown, line) {
				t.Errorf("%s: %q is missing in\n%s", name, line, shown)
			}
		}
	}
}

func TestOrderProofWithAnyFieldChangedOrMissingIsInvalid(t *testing.T) {
	w := newWorld(t)
	fields := w.proof(t)
	for name := range fields {
		for how, change := range map[string]func(any) any{"changed": tamper, "emptied": empty} {
			if name == "view" && how == "emptied" {
				continue // a view that is not named is 0, which this is
			}
			proof := w.proof(t)
			proof[name] = change(proof[name])
			shown, err := w.lookAt(t, proof)
			if !errors.Is(err, inspect.ErrDoesNotVerify) && !errors.Is(err, inspect.ErrUnknown) || strings.Contains(shown, " VALID") {
				t.Errorf("%s %s: %v\n%s", name, how, err, shown)
			}
			if how == "changed" && !strings.Contains(shown, "verdict            INVALID: ") {
				t.Errorf("%s changed: it is not shown as invalid: %v\n%s", name, err, shown)
			}
		}
	}
	for i := range 3 {
		for _, field := range [][2]string{{"attestations", "authority"}, {"attestations", "signature"}, {"locks", "authority"}, {"locks", "signature"}} {
			proof := w.proof(t)
			a := proof[field[0]].([]any)[i].(map[string]any)
			a[field[1]] = tamper(a[field[1]])
			if _, err := w.lookAt(t, proof); !errors.Is(err, inspect.ErrDoesNotVerify) {
				t.Errorf("%d of %v: %v", i, field, err)
			}
		}
		proof := w.proof(t)
		list := proof["transactions"].([]any)
		list[i] = tamper(list[i])
		if _, err := w.lookAt(t, proof); !errors.Is(err, inspect.ErrDoesNotVerify) {
			t.Errorf("transaction %d: %v", i, err)
		}
	}
}

// tamper changes the last digit of a text, and the number of elements of a list.
func tamper(value any) any {
	switch v := value.(type) {
	case string:
		last := "0"
		if strings.HasSuffix(v, "0") {
			last = "1"
		}
		return v[:len(v)-1] + last
	case []any:
		return v[:len(v)-1]
	}
	panic(fmt.Sprintf("a proof has no %T", value))
}

// empty is a value of the same type that says nothing.
func empty(value any) any {
	switch v := value.(type) {
	case string:
		if len(v) == 66 {
			return common.Hash{31: 9}.Hex()
		}
		return "0x0"
	default:
		return []any{}
	}
}

func TestOrderProofOfAnotherCommitteeOrWithoutOneIsNotValid(t *testing.T) {
	w := newWorld(t)
	if _, err := newWorld(t).lookAt(t, w.proof(t)); !errors.Is(err, inspect.ErrDoesNotVerify) {
		t.Errorf("another committee: %v", err)
	}
	w.file = ""
	if shown, err := w.lookAt(t, w.proof(t)); !errors.Is(err, inspect.ErrDoesNotVerify) || !strings.Contains(shown, "not checked") {
		t.Errorf("no committee: %v\n%s", err, shown)
	}
}

func TestWhatIsNoOrderProofCannotBeRead(t *testing.T) {
	w := newWorld(t)
	more := w.proof(t)
	more["remark"] = "believe me"
	less := w.proof(t)
	less["hash"] = "0x01"
	for name, object := range map[string]any{"a field more": more, "a short hash": less, "no result": map[string]any{"result": nil}} {
		if _, err := w.lookAt(t, object); !errors.Is(err, inspect.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
