package te

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

func TestPublicKeysMustBelongTogether(t *testing.T) {
	keys, _ := deal(t, 5, 3)
	other, _ := deal(t, 5, 3)
	swapped := append([]*PublicShare{keys.shares[1], keys.shares[0]}, keys.shares[2:]...)
	foreign := append(append([]*PublicShare{}, keys.shares[:4]...), other.shares[4])
	for _, c := range []struct {
		name      string
		threshold int
		master    MasterPublicKey
		shares    []*PublicShare
		ok        bool
	}{
		{"as dealt", 3, keys.master, keys.shares, true},
		{"fewer keyholders", 3, keys.master, keys.shares[:3], true},
		{"threshold zero", 0, keys.master, keys.shares, false},
		{"threshold over the number", 6, keys.master, keys.shares, false},
		{"a lower threshold", 2, keys.master, keys.shares, false},
		{"another master key", 3, other.master, keys.shares, false},
		{"out of order", 3, keys.master, swapped, false},
		{"one of another dealing", 3, keys.master, foreign, false},
		{"one missing", 3, keys.master, append([]*PublicShare{nil}, keys.shares[1:]...), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewPublicKeys(c.threshold, c.master, c.shares)
			if c.ok {
				noError(t, err)
			} else {
				errorIs(t, err, ErrKeys)
			}
		})
	}
}

func TestAPublicShareHasOneSecretInBothGroups(t *testing.T) {
	keys, _ := deal(t, 2, 2)
	a, b := keys.shares[0], keys.shares[1]
	g1, g2, otherG2 := a.G1(), a.G2(), b.G2()
	_, err := NewPublicShare(0, g1[:], g2[:])
	noError(t, err)
	_, err = NewPublicShare(0, g1[:], otherG2[:])
	errorIs(t, err, ErrKeys)
	_, err = NewPublicShare(0, g1[:], g1[:])
	errorIs(t, err, ErrMalformed)
	infinity := make([]byte, G1Size)
	infinity[0] = 0xc0
	_, err = NewPublicShare(0, infinity, g2[:])
	errorIs(t, err, ErrPoint)
}

func TestPublicKeysAsJSON(t *testing.T) {
	keys, _ := deal(t, 4, 3)
	b, err := json.Marshal(keys)
	noError(t, err)
	read := new(PublicKeys)
	noError(t, json.Unmarshal(b, read))
	equal(t, keys, read)
	equal(t, 4, read.Keyholders())
	equal(t, 3, read.Threshold())
	for _, bad := range []string{
		`null`, `{}`, `{"threshold":1}`, `[]`, `{"threshold":"3"}`,
		strings.Replace(string(b), `"threshold":3`, `"threshold":2`, 1),
		strings.Replace(string(b), `"g1":"0x`, `"g1":"0x00`, 1),
		strings.Replace(string(b), `"master":"0x`, `"master":"0y`, 1),
	} {
		if json.Unmarshal([]byte(bad), new(PublicKeys)) == nil {
			t.Fatalf("read %s", bad)
		}
	}
}

func TestAKeyShareNeverPrintsItsSecret(t *testing.T) {
	secret := bytes.Repeat([]byte{0x5a}, ScalarSize)
	share, err := NewKeyShare(3, secret)
	noError(t, err)
	words := share.secret().k // as the library holds it
	hidden := struct{ s *KeyShare }{share}
	hiddenValue := struct{ s KeyShare }{*share}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%t", "%p"} {
		for _, v := range []any{share, *share, hidden, &hidden, hiddenValue, []any{share}, map[string]any{"k": *share}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, v := range []any{share, *share, map[string]any{"k": share}} {
		b, err := json.Marshal(v)
		noError(t, err)
		out.Write(b)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "share", share, "value", *share, "hidden", hidden)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "share", share, "value", *share, "hidden", hidden)
	_, err = NewKeyShare(0, append(secret, 1))
	fmt.Fprintln(&out, err)

	text := strings.ToLower(out.String())
	for _, leak := range []string{
		hexutil.Encode(secret)[2:], "90 90 90", "0x5a, 0x5a", fmt.Sprint(words[0]), fmt.Sprintf("%x", words[0]), words.String(),
	} {
		if strings.Contains(text, leak) {
			t.Fatalf("found %s in %s", leak, text)
		}
	}
	if !strings.Contains(text, redacted) {
		t.Fatal(text)
	}
}

func TestAnErasedKeyShareMakesNoShares(t *testing.T) {
	keys, secrets := deal(t, 1, 1)
	v, err := encrypted(t, keys, 1)[0].Ciphertext.Verify()
	noError(t, err)
	secrets[0].Erase()
	if !secrets[0].secret().k.IsZero() {
		t.Fatal("the secret is still there")
	}
	_, err = secrets[0].Share(v)
	errorIs(t, err, ErrErased)
	_, err = secrets[0].AppendSecret(nil)
	errorIs(t, err, ErrErased)
}

func TestAKeyShareIsRestoredWithItsOwnPublicShareOnly(t *testing.T) {
	_, secrets := deal(t, 2, 2)
	b, err := secrets[0].AppendSecret(nil)
	noError(t, err)
	restored, err := RestoreKeyShare(secrets[0].Public(), b)
	noError(t, err)
	equal(t, secrets[0].secret().k, restored.secret().k)
	_, err = RestoreKeyShare(secrets[1].Public(), b)
	errorIs(t, err, ErrKeys)
	for name, bad := range map[string][]byte{
		"zero": make([]byte, ScalarSize), "over the order": bytes.Repeat([]byte{0xff}, ScalarSize),
		"short": b[1:], "long": append(b, 0), "none": nil,
	} {
		if _, err := RestoreKeyShare(secrets[0].Public(), bad); err == nil {
			t.Fatalf("restored from a secret that is %s", name)
		}
	}
}
