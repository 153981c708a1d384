package dkg

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"blindseq/dsn-node/dkg/internal/ceremony"
	"blindseq/kit/host/hosttest"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

func TestAStartThatFailsLeavesNothingOpen(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	c := &ceremony.Ceremony{Name: "one", ChainID: 1337, FirstNumber: 1, Threshold: 3, Roles: committee.Roles{Sequencers: []common.Address{{7}}}}
	for i := range 4 {
		identity := crypto.PubkeyToAddress(key.PublicKey)
		identity[0] += byte(i) // participant 0 is this one
		c.Participants = append(c.Participants, ceremony.Participant{Identity: identity, Endpoint: fmt.Sprintf("127.0.0.1:%d", i+1)})
	}
	cfg := Config{GRPCAddress: "127.0.0.1:0", Out: filepath.Join(t.TempDir(), "keys"), StartTimeout: time.Minute, PhaseTimeout: time.Minute}
	steps := hosttest.EveryStep(t, func(ctx context.Context) (func() error, error) {
		d, err := newDriver(ctx, cfg, c, key, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		return d.host.Close, nil
	})
	t.Logf("%q", steps)
}
