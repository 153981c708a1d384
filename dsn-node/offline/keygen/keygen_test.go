package keygen

import (
	"testing"

	"blindseq/kit/config"
	"blindseq/seal/committee"
)

func TestDefaultLimitsAreThoseOfCommittees(t *testing.T) {
	var c Config
	if err := config.Defaults(&c); err != nil {
		t.Fatal(err)
	}
	if c.Lifetime != committee.DefaultLifetime || c.SealedGas != committee.DefaultSealedGas {
		t.Errorf("defaults %d and %d", c.Lifetime, c.SealedGas)
	}
}
