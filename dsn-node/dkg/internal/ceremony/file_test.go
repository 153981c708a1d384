package ceremony

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

func TestACeremonyIsReadAndItsIDCoversEveryField(t *testing.T) {
	c, keys := testCeremony(t, 4, 3)
	b, err := json.MarshalIndent(c, "", "    ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ceremony.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	read, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if self, err := read.Find(crypto.PubkeyToAddress(keys[2].PublicKey)); err != nil || self != 2 {
		t.Fatalf("%d, %v", self, err)
	}
	want, err := c.ID()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read.ID(); err != nil || got != want {
		t.Fatalf("id %s, %v, want %s", got, err, want)
	}
	for name, change := range map[string]func(){
		"name": func() { read.Name += "2" }, "chain": func() { read.ChainID++ }, "first number": func() { read.FirstNumber++ },
		"threshold": func() { read.Threshold-- }, "lifetime": func() { read.Lifetime++ }, "sealed gas": func() { read.SealedGas = 1e6 },
		"sequencer": func() { read.Sequencers = []common.Address{{9}} }, "relays": func() { read.Relays = append(read.Relays, common.Address{9}) }, "endpoint": func() { read.Participants[1].Endpoint = "other:1" },
		"order": func() { p := read.Participants; p[0], p[1] = p[1], p[0] },
	} {
		before, _ := read.ID() // it did not fail above
		change()
		if after, err := read.ID(); err != nil || after == before {
			t.Errorf("%s: %s, %v", name, after, err)
		}
	}
}

func TestACeremonyThatCannotWorkIsRefused(t *testing.T) {
	others := []Participant{{common.Address{5}, "five:1"}, {common.Address{6}, "six:1"}, {common.Address{7}, "seven:1"}}
	for name, change := range map[string]func(*Ceremony){
		"no name":              func(c *Ceremony) { c.Name = "" },
		"long name":            func(c *Ceremony) { c.Name = strings.Repeat("n", 129) },
		"number 0":             func(c *Ceremony) { c.FirstNumber = 0 },
		"no sequencer":         func(c *Ceremony) { c.Sequencers = nil },
		"a relay twice":        func(c *Ceremony) { c.Relays = []common.Address{{8}, {8}} },
		"everyone knows":       func(c *Ceremony) { c.Threshold = 1 },
		"over the quorum":      func(c *Ceremony) { c.Threshold = 4 },
		"below the rest":       func(c *Ceremony) { c.Participants = append(c.Participants, others...); c.Threshold = 2 },
		"too little gas":       func(c *Ceremony) { c.SealedGas = 20_999 },
		"too long a lifetime":  func(c *Ceremony) { c.Lifetime = 1<<32 + 1 },
		"alone":                func(c *Ceremony) { c.Participants = c.Participants[:1] },
		"no identity":          func(c *Ceremony) { c.Participants[0].Identity = common.Address{} },
		"one identity twice":   func(c *Ceremony) { c.Participants[0].Identity = c.Participants[1].Identity },
		"one endpoint twice":   func(c *Ceremony) { c.Participants[0].Endpoint = c.Participants[1].Endpoint },
		"endpoint has no port": func(c *Ceremony) { c.Participants[0].Endpoint = "host" },
	} {
		c, _ := testCeremony(t, 4, 3)
		change(c)
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(b); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{"", "{}", "[]", `{"nonesuch":1}`, "{} {}"} {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzDecode: whatever is decoded has the sizes the machine counts on, and encodes to the same bytes.
func FuzzDecode(f *testing.F) {
	f.Add(uint8(Commit), []byte{0xc0})
	f.Add(uint8(Deal), []byte{0xc2, 0xc0, 0xc0})
	f.Add(uint8(Abort), []byte{0xc3, 0x81, 0x80, 0x01})
	f.Fuzz(func(t *testing.T, kind uint8, payload []byte) {
		const n = 3
		out, err := decode(&Message{Sender: 1, Kind: Kind(kind), Payload: payload}, n)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if p, is := out.(*deal); is && len(p.Sealed) != n {
			t.Fatal("a share too many or too few")
		}
		if p, is := out.(*complaint); is && int(p.Dealer) >= n {
			t.Fatal("a complaint about nobody")
		}
		if b, err := rlp.EncodeToBytes(out); err != nil || !bytes.Equal(b, payload) {
			t.Fatalf("%x became %x, %v", payload, b, err)
		}
	})
}
