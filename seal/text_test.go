package seal

import (
	"encoding/json"
	"testing"
)

func TestPointsAndIDsAreWrittenAsHex(t *testing.T) {
	type all struct {
		Point Point
		ID    ID
		Key   KeyID
	}
	w := newWorld(t, 1, 1)
	want := all{w.keys.Point(), w.seal(t, []byte("tx")).ID(), w.keys.ID()}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got all
	if err := json.Unmarshal(b, &got); err != nil || got != want {
		t.Errorf("%s is read as %+v: %v", b, got, err)
	}
	for _, text := range []string{`{"Key":"0x00"}`, `{"Key":"0x00112233445566778899"}`, `{"Key":"xyz"}`, `{"Point":""}`, `{"ID":"0x1"}`} {
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s is read", text)
		}
	}
}
