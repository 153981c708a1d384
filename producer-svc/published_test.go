package producer

import (
	"crypto/ed25519"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blindseq/producer-svc/blueprint"
	"blindseq/producer-svc/internal/fakes"
	"blindseq/producer-svc/internal/rpc"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

func hexChunks(chunks [][]byte) (all []hexutil.Bytes) {
	for _, c := range chunks {
		all = append(all, c)
	}
	return all
}

// TestAPublishedBlueprintIsCheckedByAReplica: whoever has the sequencer's key can sign anything. A replica that somebody trusts
// tells which one follows.
func TestAPublishedBlueprintIsCheckedByAReplica(t *testing.T) {
	a := startLeader(t)
	from := newWallet(t, 0)
	if err := a.eth.SendTransaction(t.Context(), from.transaction(t, nil)); err != nil {
		t.Fatal(err)
	}
	a.produce(t, &blueprintv1.ProduceBlockRequest{})
	o := beside(t, a, func(cfg *Config) { cfg.Role, cfg.SequencerKeyFile = roleObserver, "" })
	fakes.WaitFor(t, func() bool { return headOf(o)() == 1 })
	published, err := a.producer.GetBlueprint(t.Context(), &blueprintv1.GetBlueprintRequest{Number: 1})
	if err != nil {
		t.Fatal(err)
	}
	honest := published.GetBlueprint().GetChunks()
	public, _ := a.disk.Key.Public().(ed25519.PublicKey)
	_, b, err := blueprint.Open(public, honest)
	if err != nil {
		t.Fatal(err)
	}
	b.Transactions = nil
	forged, err := blueprint.Sign(a.disk.Key, 1, b)
	if err != nil {
		t.Fatal(err)
	}
	check := func(n *node, chunks [][]byte, key ...hexutil.Bytes) (answer rpc.BlueprintCheck) {
		t.Helper()
		args := []any{hexChunks(chunks)}
		for _, k := range key {
			args = append(args, k)
		}
		if err := n.call(t, &answer, "te_checkBlueprint", args...); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	key := hexutil.Bytes(public)
	for name, x := range map[string]struct {
		got             rpc.BlueprintCheck
		follows, signed bool
	}{
		"honest, at the leader":            {check(a, honest), true, true},
		"honest, at the observer":          {check(o, honest, key), true, true},
		"honest, without a key":            {check(o, honest), true, false},
		"forged, at the observer":          {check(o, forged, key), false, true},
		"forged, without a key":            {check(o, forged), false, false},
		"honest, said to be of nobody's":   {check(o, honest, make(hexutil.Bytes, 32)), true, false},
		"forged, with a key of three byte": {check(o, forged, hexutil.Bytes{1, 2, 3}), false, false},
	} {
		if x.got.Number != 1 || x.got.Follows != x.follows || x.got.Signed != x.signed || (x.got.PublishedHash == x.got.OwnHash) != x.follows {
			t.Errorf("%s: %+v", name, x.got)
		}
	}
	for name, chunks := range map[string][]hexutil.Bytes{"none": {}, "malformed": {{1, 2}}} {
		if err := o.call(t, nil, "te_checkBlueprint", chunks); err == nil {
			t.Errorf("%s: checked", name)
		}
	}
}

// TestAFollowerReportsABlueprintThatDoesNotFollow: this leader executes by other rules, because it was given another committee's
// file. One that lies looks the same.
func TestAFollowerReportsABlueprintThatDoesNotFollow(t *testing.T) {
	relay, w := newWallet(t, 8), newWallet(t, 0)
	c := committeetest.NewWith(t, 4, 3, 1, committee.Limits{}, crypto.PubkeyToAddress(relay.key.PublicKey))
	roles := c.Roles
	roles.Relays = nil
	other, err := committee.New(1, c.Members(), c.Keys, c.Limits, roles)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "other.json")
	if err := other.Write(file); err != nil {
		t.Fatal(err)
	}
	a := startLeaderWith(t, func(cfg *Config) { cfg.CommitteeFile = file })
	right := fileOf(t, c)
	o := beside(t, a, func(cfg *Config) { cfg.CommitteeFile, cfg.Role, cfg.SequencerKeyFile = right, roleObserver, "" })
	due, early := w.transaction(t, nil), w.transaction(t, nil)
	byRelay := c.SealedBy(relay.key, 0, raw(t, early))
	a.certified(t, c, func(p *preblockv1.Content) {
		switch p.GetNumber() {
		case 1:
			p.Transactions = [][]byte{byRelay}
		case 2:
			p.Transactions = [][]byte{raw(t, due), raw(t, early)}
		}
	})
	a.produce(t, &blueprintv1.ProduceBlockRequest{})
	a.produce(t, &blueprintv1.ProduceBlockRequest{})
	fakes.WaitFor(t, func() bool {
		if headOf(o)() >= 2 {
			a.produce(t, &blueprintv1.ProduceBlockRequest{}) // each block has other parents from now on; a sample is of one of them
		}
		files, _ := os.ReadDir(filepath.Join(o.cfg.DataDir, "evidence"))
		return len(files) > 0
	})
	if files, _ := os.ReadDir(filepath.Join(a.cfg.DataDir, "evidence")); len(files) != 0 {
		t.Error("the leader reports itself")
	}
}

// Blocks depend on the committee's lifetime and relays, so replicas with two committees would fork.
func TestAStandbyWithAnotherCommitteeIsRefused(t *testing.T) {
	a, _ := sealing(t, nil)
	cfg := testConfig(t, a.redis, a.order)
	cfg.SequencerKeyFile, cfg.CommitteeFile = a.cfg.SequencerKeyFile, fileOf(t, committeetest.New(t, 4, 3, 1))
	other, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Run(soon(t)); err == nil || !strings.Contains(err.Error(), "it has another committee than the leader") {
		t.Errorf("it ends with %v", err)
	}
}
