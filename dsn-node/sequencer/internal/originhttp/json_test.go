package originhttp

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"blindseq/dsn-node/sequencer/origintest"
	"blindseq/kit/content"

	"google.golang.org/protobuf/proto"
)

var vector = origintest.Vector

// edited is the vector with a piece replaced.
func edited(t testing.TB, from, to string) string {
	t.Helper()
	if !strings.Contains(vector, from) {
		t.Fatalf("the vector has no %s", from)
	}
	return strings.Replace(vector, from, to, 1)
}

func TestDecodeReadsTheOriginsVector(t *testing.T) {
	c, err := decode([]byte(vector + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Number != 1 || c.Timestamp.Seconds != 1_000_000_000 || len(c.Transactions) != 1 || c.Transactions[0][3] != 0xaa ||
		len(c.DelayedTransactionHashes) != 1 || c.DelayedTransactionHashes[0][0] != 4 || c.PreviousBlockHash[31] != 7 {
		t.Fatalf("decoded %v", c)
	}
	if err := content.Check(c); err != nil {
		t.Fatal(err)
	}
}

func TestEncodeWritesTheFormByteForByte(t *testing.T) {
	c, err := decode([]byte(vector))
	if err != nil {
		t.Fatal(err)
	}
	got, err := encode(c)
	if want := edited(t, `"1"}`, `"0x1"}`); err != nil || string(got) != want {
		t.Fatalf("got  %s\nwant %s\n%v", got, want, err)
	}
	c.Transactions, c.DelayedTransactionHashes = nil, nil
	got, err = encode(c)
	if err != nil || !strings.HasPrefix(string(got), `{"transactions":[],"delayed_transaction_hashes":[],`) {
		t.Fatalf("got %s, %v", got, err)
	}
}

func TestDecodeTakesWhatTheOriginTakes(t *testing.T) {
	want, err := decode([]byte(vector))
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"a number with 0x":          edited(t, `"1"}`, `"0x1"}`),
		"white space":               " \n" + strings.ReplaceAll(vector, ",", " ,\n\t") + " \n",
		"an unknown field":          edited(t, `"timestamp"`, `"x":[{"a":null}],"timestamp"`),
		"upper-case hex":            edited(t, "f86c80aa", "F86C80AA"),
		"a fraction of a second":    edited(t, "40Z", "40.987Z"),
		"another time zone":         edited(t, "T01:46:40Z", "T03:46:40+02:00"),
		"an escape in a key":        edited(t, `"timestamp"`, `"\u0074imestamp"`),
		"a key of another spelling": edited(t, `"timestamp"`, `"Timestamp":7,"timestamp"`),
	} {
		got, err := decode([]byte(body))
		if err != nil || !proto.Equal(got, want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func badBodies(t testing.TB) map[string]string {
	return map[string]string{
		"nothing":                  "",
		"no object":                "[]",
		"null":                     "null",
		"cut off":                  vector[:len(vector)-1],
		"two objects":              vector + vector,
		"a field missing":          edited(t, `"timestamp":"2001-09-09T01:46:40Z",`, ""),
		"a field of other case":    edited(t, `"timestamp"`, `"Timestamp"`),
		"a field twice":            edited(t, `"timestamp"`, `"current_blueprint_number":"1","timestamp"`),
		"a number as JSON number":  edited(t, `"1"}`, `1}`),
		"a negative number":        edited(t, `"1"}`, `"-1"}`),
		"a number too large":       edited(t, `"1"}`, `"0x10000000000000000"}`),
		"an empty number":          edited(t, `"1"}`, `"0x"}`),
		"null for a list":          edited(t, `["f86c80aa"]`, `null`),
		"null for a string":        edited(t, `"1"}`, `null}`),
		"a string for a list":      edited(t, `["f86c80aa"]`, `"f86c80aa"`),
		"a transaction with 0x":    edited(t, `f86c80aa`, `0xf86c80aa`),
		"a transaction of odd hex": edited(t, `f86c80aa`, `f86c80a`),
		"a delayed hash sans 0x":   edited(t, `"0x04`, `"04`),
		"a parent without 0x":      edited(t, `"0x07`, `"07`),
		"a parent that is no hex":  edited(t, `"0x07`, `"0xzz`),
		"a timestamp in seconds":   edited(t, `2001-09-09T01:46:40Z`, `1000000000`),
	}
}

// badContents decode, and are refused by the check of contents.
func badContents(t testing.TB) map[string]string {
	return map[string]string{
		"number 0":             edited(t, `"1"}`, `"0x0"}`),
		"a short parent":       edited(t, `"0x07`, `"0x`),
		"an empty transaction": edited(t, `f86c80aa`, ``),
		"null in a list":       edited(t, `"f86c80aa"`, `null`),
		"a time before 1970":   edited(t, `2001-`, `1901-`),
	}
}

func TestDecodeRefusesWhatTheOriginRefuses(t *testing.T) {
	for name, body := range badBodies(t) {
		if c, err := decode([]byte(body)); err == nil {
			t.Errorf("%s: decoded %v", name, c)
		}
	}
	if _, err := decode([]byte("{}")); !errors.Is(err, errShape) {
		t.Errorf("empty object: %v", err)
	}
	for name, body := range badContents(t) {
		c, err := decode([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if err := content.Check(c); !errors.Is(err, content.ErrMalformed) {
			t.Errorf("%s: checked with %v", name, err)
		}
	}
}

// FuzzDecode: what decodes and is sound is written in a form that decodes to the same, and that encoding/json, the
// second reader, agrees is one object.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(vector))
	for _, body := range badBodies(f) {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := decode(body)
		if err != nil || content.Check(c) != nil {
			return
		}
		var reference map[string]json.RawMessage
		if err := json.Unmarshal(body, &reference); err != nil {
			t.Fatalf("decoded, but is no JSON object: %v", err)
		}
		out, err := encode(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decode(out)
		if err != nil || !proto.Equal(c, again) {
			t.Fatalf("%v became %v, %v", c, again, err)
		}
	})
}
