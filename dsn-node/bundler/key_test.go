package bundler

import (
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
)

func TestInstancesHaveSubmittersOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	seen := map[string]string{}
	for _, instance := range []string{"", "bundler-0", "bundler-1"} {
		cfg := w.cfg
		cfg.Instance = instance
		var addresses []string
		for range 2 {
			key, err := readKey(cfg)
			if err != nil {
				t.Fatal(err)
			}
			addresses = append(addresses, crypto.PubkeyToAddress(key.PublicKey).Hex())
		}
		if other, taken := seen[addresses[0]]; taken || addresses[0] != addresses[1] {
			t.Errorf("instance %q has %v, as %q", instance, addresses, other)
		}
		seen[addresses[0]] = instance
	}
	if seen[w.submitter.Hex()] != "" {
		t.Error("without a name it is not the identity")
	}
}
