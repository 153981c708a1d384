package outcome_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/outcome"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/proto"
)

func spoiled(t *testing.T, c *committeetest.Committee, change func(*te.Bundle)) []byte {
	t.Helper()
	b, err := te.DecodeBundle(c.Bundle([]byte("spoiled")))
	if err != nil {
		t.Fatal(err)
	}
	change(b)
	return b.Encode()
}

func TestOnlyTheRightOutcomesAreAccepted(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	repeated := c.Bundle([]byte("twice"))
	p, _ := c.Preblock(&preblockv1.Content{Number: 9, Transactions: [][]byte{
		{1},                         // plain
		c.Bundle([]byte("plain 1")), // outcome 0
		{0x7e, 1},                   // outcome 1: malformed
		spoiled(t, c, func(b *te.Bundle) { b.Payload.Ciphertext.EncryptedKey[0]++ }), // outcome 2: proof
		spoiled(t, c, func(b *te.Bundle) { b.Payload.Ciphertext.KeyHash[0]++ }),      // outcome 3: key hash
		spoiled(t, c, func(b *te.Bundle) { b.Payload.Txs[0].Data[0]++ }),             // outcome 4: transaction hash
		repeated,                  // outcome 5
		repeated,                  // outcome 6: set below
		c.Bundle([]byte("again")), // outcome 7: set below
	}}, common.Hash{})
	p.Outcomes[6] = outcome.RefuseRepeated(7, outcome.Place{Number: 9, Index: 6})
	p.Outcomes[7] = outcome.RefuseRepeated(8, outcome.Place{Number: 3, Index: 1})
	again := p.Content.Transactions[8]
	earlier := func(number uint64) (*preblockv1.Content, error) {
		return &preblockv1.Content{Number: number, Transactions: [][]byte{{1}, again, again}}, nil
	}
	if err := outcome.Verify(c.Keys, p, earlier); err != nil {
		t.Fatal(err)
	}
	set := func(i int, o *preblockv1.Outcome) func(*preblockv1.Preblock) {
		return func(p *preblockv1.Preblock) { p.Outcomes[i] = o }
	}
	for name, change := range map[string]func(*preblockv1.Preblock){
		"one missing":               func(p *preblockv1.Preblock) { p.Outcomes = p.Outcomes[:7] },
		"one too many":              func(p *preblockv1.Preblock) { p.Outcomes = append(p.Outcomes, p.Outcomes[7]) },
		"of a plain transaction":    func(p *preblockv1.Preblock) { p.Outcomes[0].Index = 0 },
		"nothing":                   set(0, &preblockv1.Outcome{Index: 1}),
		"another transaction":       func(p *preblockv1.Preblock) { p.Outcomes[0].GetDecrypted().Transactions[0] = []byte("plain 2") },
		"no transactions":           func(p *preblockv1.Preblock) { p.Outcomes[0].GetDecrypted().Transactions = nil },
		"a good one is malformed":   set(0, outcome.Refuse(1, outcome.Malformed, "")),
		"a good one's proof":        set(0, outcome.Refuse(1, outcome.BadCiphertext, "")),
		"a good one's key":          func(p *preblockv1.Preblock) { refuse(p, 0, outcome.KeyHash) },
		"a good one's transaction":  func(p *preblockv1.Preblock) { refuse(p, 0, outcome.TxHash) },
		"an unknown reason":         set(0, outcome.Refuse(1, 99, "")),
		"no opening":                func(p *preblockv1.Preblock) { p.Outcomes[3].Opening = nil },
		"another's opening":         func(p *preblockv1.Preblock) { p.Outcomes[3].Opening = p.Outcomes[0].Opening },
		"another reason":            func(p *preblockv1.Preblock) { refuse(p, 4, outcome.KeyHash) },
		"a malformed one decrypted": func(p *preblockv1.Preblock) { p.Outcomes[1].Result = p.Outcomes[0].Result },
		"repeated after itself":     set(0, outcome.RefuseRepeated(1, outcome.Place{Number: 9, Index: 5})),
		"repeated of another":       set(7, outcome.RefuseRepeated(8, outcome.Place{Number: 3, Index: 0})),
		"repeated of nothing":       set(7, outcome.RefuseRepeated(8, outcome.Place{Number: 3, Index: 3})),
		"repeated of a repetition":  set(7, outcome.RefuseRepeated(8, outcome.Place{Number: 3, Index: 2})),
		"decrypted twice":           func(p *preblockv1.Preblock) { p.Outcomes[6] = proto.CloneOf(p.Outcomes[5]); p.Outcomes[6].Index = 7 },
		"the second one first": func(p *preblockv1.Preblock) {
			p.Outcomes[5] = outcome.RefuseRepeated(6, outcome.Place{Number: 9, Index: 7})
		},
		"two first places": set(6, outcome.RefuseRepeated(7, outcome.Place{Number: 3, Index: 1})),
	} {
		forged := proto.CloneOf(p)
		change(forged)
		if err := outcome.Verify(c.Keys, forged, earlier); !errors.Is(err, outcome.ErrWrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// refuse keeps the opening.
func refuse(p *preblockv1.Preblock, i int, reason preblockv1.UndecryptableReason) {
	o := outcome.Refuse(p.Outcomes[i].Index, reason, "")
	o.Opening = p.Outcomes[i].Opening
	p.Outcomes[i] = o
}

// TestWhatIsSaidToBeDecryptedIsWhatWasEncrypted: the sender knows the bytes whose hash is in the bundle, and could have a
// sequencer show them for a bundle that does not open to them.
func TestWhatIsSaidToBeDecryptedIsWhatWasEncrypted(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	p, _ := c.Preblock(&preblockv1.Content{Number: 9, Transactions: [][]byte{
		{1},
		c.Bundle([]byte("plain")),
		{0x7e, 1},
		spoiled(t, c, func(b *te.Bundle) { b.Payload.Txs[0].Data[0]++ }),
		spoiled(t, c, func(b *te.Bundle) { b.Payload.Ciphertext.KeyHash[0]++ }),
		spoiled(t, c, func(b *te.Bundle) { b.Payload.Ciphertext.EncryptedKey[0]++ }),
	}}, common.Hash{})
	if err := outcome.Verify(c.Keys, p, nil); err != nil {
		t.Fatal(err)
	}
	for i := 2; i <= 4; i++ { // of the outcomes
		forged := proto.CloneOf(p)
		forged.Outcomes[i].Result = &preblockv1.Outcome_Decrypted{Decrypted: &preblockv1.Decrypted{Transactions: [][]byte{[]byte("spoiled")}}}
		if err := outcome.Verify(c.Keys, forged, nil); !errors.Is(err, outcome.ErrWrong) {
			t.Errorf("outcome %d: %v", i, err)
		}
	}
	for name, opening := range map[string][]byte{"none": nil, "another's": p.Outcomes[2].Opening} {
		forged := proto.CloneOf(p)
		forged.Outcomes[0].Opening = opening
		if err := outcome.Verify(c.Keys, forged, nil); !errors.Is(err, outcome.ErrWrong) {
			t.Errorf("opening %s: %v", name, err)
		}
	}
}

// verdicts checks that the right preblock passes, and that the forged one is refused for its bundle at index 2.
func verdicts(t *testing.T, c *committeetest.Committee, right, forged *preblockv1.Preblock, want error) {
	t.Helper()
	if err := outcome.Verify(c.Keys, right, nil); err != nil {
		t.Fatal(err)
	}
	err := outcome.Verify(c.Keys, forged, nil)
	if !errors.Is(err, outcome.ErrWrong) || !errors.Is(err, want) || !strings.Contains(err.Error(), "bundles [2]") {
		t.Fatalf("got %v", err)
	}
}

// TestOnlyTheCommitteesOpeningCounts: whoever encrypts for a key of his own can show an opening that all hashes agree with.
func TestOnlyTheCommitteesOpeningCounts(t *testing.T) {
	c, own := committeetest.New(t, 4, 3, 1), committeetest.New(t, 4, 3, 1)
	content := &preblockv1.Content{Number: 9, Transactions: [][]byte{
		{1}, c.Bundle([]byte("plain")), own.Bundle([]byte("perhaps")), c.Bundle([]byte("again")),
	}}
	right, _ := c.Preblock(content, common.Hash{})
	atWill, _ := own.Preblock(content, common.Hash{})
	forged := proto.CloneOf(right)
	forged.Outcomes[1] = atWill.Outcomes[1]
	if right.Outcomes[1].GetUndecryptable().GetReason() != outcome.KeyHash || forged.Outcomes[1].GetDecrypted() == nil {
		t.Fatalf("outcomes %v and %v", right.Outcomes[1], forged.Outcomes[1])
	}
	verdicts(t, c, right, forged, te.ErrOpening)

	content.Transactions[2] = c.Bundle([]byte("kept out"))
	right, _ = c.Preblock(content, common.Hash{})
	atWill, _ = own.Preblock(content, common.Hash{})
	forged = proto.CloneOf(right)
	forged.Outcomes[1] = atWill.Outcomes[1]
	if right.Outcomes[1].GetDecrypted() == nil || forged.Outcomes[1].GetUndecryptable().GetReason() != outcome.KeyHash {
		t.Fatalf("outcomes %v and %v", right.Outcomes[1], forged.Outcomes[1])
	}
	verdicts(t, c, right, forged, te.ErrOpening)
}

// TestABundleWithoutAProofIsNotDecrypted, though its maker can show the right opening without the keyholders.
func TestABundleWithoutAProofIsNotDecrypted(t *testing.T) {
	c := committeetest.New(t, 4, 3, 1)
	const sizeW, after = te.G2Size, 2 // the nonce and no signature follow W
	good, other := c.Bundle([]byte("perhaps")), c.Bundle([]byte("plain"))
	bundle := slices.Clone(good)
	copy(bundle[len(bundle)-after-sizeW:], other[len(other)-after-sizeW:])
	preblock := func(bundle []byte) *preblockv1.Preblock {
		p, _ := c.Preblock(&preblockv1.Content{Number: 9, Transactions: [][]byte{{1}, other, bundle}}, common.Hash{})
		return p
	}
	right := preblock(bundle)
	forged := proto.CloneOf(right)
	forged.Outcomes[1] = preblock(good).Outcomes[1]
	if right.Outcomes[1].GetUndecryptable().GetReason() != outcome.BadCiphertext || forged.Outcomes[1].GetDecrypted() == nil {
		t.Fatalf("outcomes %v and %v", right.Outcomes[1], forged.Outcomes[1])
	}
	verdicts(t, c, right, forged, te.ErrCiphertext)
}
