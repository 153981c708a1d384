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
		shown, err := Submitters(Submitter{IdentityFile: cfg.IdentityFile, Instance: []string{instance}})
		if err != nil || len(shown) != 1 || shown[0].Hex() != addresses[0] {
			t.Errorf("instance %q is shown as %v: %v", instance, shown, err)
		}
		if other, taken := seen[addresses[0]]; taken || addresses[0] != addresses[1] {
			t.Errorf("instance %q has %v, as %q", instance, addresses, other)
		}
		seen[addresses[0]] = instance
	}
	if shown, err := Submitters(Submitter{IdentityFile: w.cfg.IdentityFile}); err != nil || shown[0] != w.submitter || seen[w.submitter.Hex()] != "" {
		t.Errorf("without a name it is %v, not the identity: %v", shown, err)
	}
}
