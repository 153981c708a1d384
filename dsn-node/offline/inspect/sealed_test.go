package inspect_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"blindseq/dsn-node/offline/inspect"
	"blindseq/dsn-node/offline/internal/input"
	"blindseq/dsn-node/offline/internal/vectorstest"
)

func TestSealedTransactionIsShownAsJSON(t *testing.T) {
	w := newWorld(t)
	raw := w.Sealed([]byte("plain"))
	id := w.Checked(raw).Sealed().ID().String()
	for form, b := range map[string][]byte{"bytes": raw, "hex": []byte("0x" + hex.EncodeToString(raw) + "\n")} {
		shown, err := w.look(b)
		var fields map[string]any
		if err != nil || json.Unmarshal([]byte(shown), &fields) != nil || fields["id"] != id || fields["seq"] != "0" || fields["chain_id"] != "1337" {
			t.Errorf("%s: %v\n%s", form, err, shown)
		}
	}
}

// at inspects hex against a vector's key, without a committee.
func at(v vectorstest.Sealed) (fields map[string]any, err error) {
	var out bytes.Buffer
	cfg := inspect.Config{Path: "0x" + v.Sealed, Kind: inspect.KindAuto, Key: input.Key{ChainID: v.ChainID, Key: v.PublicKey}}
	err = inspect.Run(cfg, nil, &out)
	if json.Unmarshal(out.Bytes(), &fields) != nil {
		fields = map[string]any{"shown": out.String()}
	}
	return fields, err
}

func TestVectorsAreAcceptedOrRefusedWithTheirReason(t *testing.T) {
	all := vectorstest.Read(t)
	for i, v := range all.Cases {
		fields, err := at(v.Sealed)
		if err != nil || fields["id"] != "0x"+v.ID || !strings.EqualFold(fields["submitter"].(string), "0x"+v.Submitter) {
			t.Errorf("case %d: %v, %v", i, fields, err)
		}
	}
	for _, v := range all.Refused {
		if fields, err := at(v.Sealed); !errors.Is(err, inspect.ErrDoesNotVerify) || fields["refused"] != v.Reason || len(fields) != 1 {
			t.Errorf("%s: %v, %v", v.What, fields, err)
		}
	}
	for _, v := range all.Unopenable {
		if fields, err := at(v.Sealed); err != nil || fields["id"] != "0x"+v.ID {
			t.Errorf("unopenable, %s: %v, %v", v.What, fields, err)
		}
	}
}

func TestHexThatIsNothingIsASealedTransactionOfAnotherType(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{"0x", "0x7e", "00", "0xc0"} {
		if shown, err := w.look([]byte(text)); !errors.Is(err, inspect.ErrDoesNotVerify) || shown != `{"refused":"type"}`+"\n" {
			t.Errorf("%s: %v\n%s", text, err, shown)
		}
	}
}
