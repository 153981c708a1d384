package inspect_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blindseq/dsn-node/offline/inspect"
	"blindseq/dsn-node/offline/internal/input"
	"blindseq/kit/wal"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/attest"
	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/evidence"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

type world struct {
	*committeetest.Committee
	file string
}

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{committeetest.NewWith(t, 4, 3, 1, committee.Limits{}, common.Address{0xb}), filepath.Join(t.TempDir(), "committee.json")}
	if err := w.Write(w.file); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w world) preblock() *preblockv1.Preblock {
	p, _ := w.Preblock(&preblockv1.Content{
		Number: 1, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(1_700_000_000, 0)),
		Transactions: [][]byte{w.Sealed([]byte("plain")), w.Garbage(seal.ErrSeed), {0xc0}},
	}, common.Hash{})
	return p
}

func (w world) key() input.Key { return input.Key{CommitteeFile: w.file} }

func (w world) equivocation(t *testing.T, number uint64) *keyholderv1.Evidence {
	t.Helper()
	var signed [2]*keyholderv1.Attested
	for i := range signed {
		p := &preblockv1.Content{Number: number, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(int64(i), 0))}
		var err error
		if signed[i], err = attest.StatementOf(w.Committee.Committee, p, common.Hash{}).Sign(w.Identities[2], 2, 0); err != nil {
			t.Fatal(err)
		}
	}
	return evidence.Equivocation(w.Committee.Committee, signed[0], signed[1])
}

func marshal(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func marshalJSON(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// look inspects bytes and returns what was shown.
func (w world) look(b []byte) (string, error) {
	var out bytes.Buffer
	err := inspect.Run(inspect.Config{Kind: inspect.KindAuto, Key: w.key()}, bytes.NewReader(b), &out)
	return out.String(), err
}

func TestEveryKindIsRecognisedInEveryForm(t *testing.T) {
	w := newWorld(t)
	p, e := w.preblock(), w.equivocation(t, 7)
	var shares []string
	for _, s := range p.Outcomes[1].GetUnopenable().GetShares() {
		shares = append(shares, fmt.Sprintf(`{"authority": %d, "share": "0x%x", "proof": "0x%x"}`, s.Authority, s.Share, s.Proof))
	}
	rest := `{"preblock": {"number": "1", "previousBlockHash": "0x` + strings.Repeat("00", 32) + `", "timestamp": "2023-11-14T22:13:20Z",
		"delayedTransactionHashes": [], "requestId": "", "attempt": 0, "certificate": ` + string(marshalJSON(t, p.Certificate)) + `,
		"contentHash": "0x` + hex.EncodeToString(p.ContentHash) + `", "transactions": [` + quoted(p.Content.Transactions) + `],
		"outcomes": [{"index": 0, "id": "0x00", "submitter": "0x00", "seq": "0", "opened": {"seed": "0x` + hex.EncodeToString(p.Outcomes[0].GetOpened().Seed) + `",
		             "transaction": "0x` + hex.EncodeToString([]byte("plain")) + `", "transactionHash": "0x00"}},
		             {"index": 1, "id": "0x00", "unopenable": {"reason": "seed", "shares": [` + strings.Join(shares, ",") + `]}}]}}`
	committeeFile, err := os.ReadFile(w.file)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"preblock":                  {marshal(t, p), "preblock 1\n"},
		"unopenable":                {marshal(t, w.preblock()), "preblock 1\n"},
		"unopenable as JSON":        {marshalJSON(t, w.preblock()), "preblock 1\n"},
		"committee":                 {committeeFile, "committee " + w.Hash().Hex()},
		"preblock in hex":           {[]byte(hex.EncodeToString(marshal(t, p))), "preblock 1\n"},
		"preblock as JSON":          {marshalJSON(t, p), "preblock 1\n"},
		"preblock of REST":          {[]byte(rest), "preblock 1\n"},
		"certificate":               {marshal(t, p.Certificate), "certificate of number 1\n"},
		"certificate as JSON":       {marshalJSON(t, p.Certificate), "certificate of number 1\n"},
		"evidence":                  {marshal(t, e), "evidence against authority 2: equivocation\n"},
		"evidence as JSON":          {marshalJSON(t, e), "evidence against authority 2: equivocation\n"},
		"certificate without locks": {marshal(t, attest.Final(p.Certificate, nil)), "certificate of number 1\n"},
	} {
		shown, err := w.look(c.b)
		if strings.Contains(shown, "locked by          nobody") != (name == "certificate without locks") {
			t.Errorf("%s: %s", name, shown)
		}
		if name == "committee" && !(strings.Contains(shown, "sequencer 0        "+w.Roles.Sequencers[0].Hex()) && strings.Contains(shown, "relay 0            "+w.Roles.Relays[0].Hex())) {
			t.Errorf("%s: %s", name, shown)
		}
		if err != nil || !strings.HasPrefix(shown, c.want) || !strings.Contains(shown, "verdict            VALID\n") {
			t.Errorf("%s: %v\n%s", name, err, shown)
		}
	}
}

func TestProtobufThatBeginsLikeJSONIsRecognised(t *testing.T) {
	w := newWorld(t)
	c := &preblockv1.Content{Number: 1, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(1_700_000_000, 0))}
	c.Transactions = [][]byte{make([]byte, '{'-proto.Size(c)-2)}
	p, _ := w.Preblock(c, common.Hash{})
	for form, b := range map[string][]byte{"": marshal(t, p), " in hex": []byte(hex.EncodeToString(marshal(t, p)))} {
		if shown, err := w.look(b); err != nil || !strings.HasPrefix(shown, "preblock 1\n") {
			t.Errorf("preblock%s: %v\n%s", form, err, shown)
		}
	}
	e := w.equivocation(t, 7)
	e.CommitteeHash[0] = '{'
	e.CommitteeHash[1] ^= 1 // a hash that begins with '{' by chance is changed too
	if shown, err := w.look(marshal(t, e)); !errors.Is(err, inspect.ErrDoesNotVerify) || !strings.HasPrefix(shown, "evidence against authority 2") {
		t.Errorf("evidence: %v\n%s", err, shown)
	}
}

func quoted(list [][]byte) string {
	var out []string
	for _, b := range list {
		out = append(out, fmt.Sprintf(`"0x%x"`, b))
	}
	return strings.Join(out, ",")
}

func TestWhatDoesNotHoldDoesNotVerify(t *testing.T) {
	w := newWorld(t)
	preblock := func(change func(*preblockv1.Preblock)) []byte {
		p := w.preblock()
		change(p)
		return marshal(t, p)
	}
	certificate := func(change func(*preblockv1.Certificate)) []byte {
		c := w.preblock().Certificate
		change(c)
		return marshal(t, c)
	}
	blamed := w.equivocation(t, 7)
	blamed.Authority = 1
	for name, b := range map[string][]byte{
		"preblock without a certificate":   preblock(func(p *preblockv1.Preblock) { p.Certificate = nil }),
		"preblock without locks":           preblock(func(p *preblockv1.Preblock) { p.Certificate.Locks = nil }),
		"preblock with a lock too few":     preblock(func(p *preblockv1.Preblock) { p.Certificate.Locks = p.Certificate.Locks[1:] }),
		"preblock locked by attesting":     preblock(func(p *preblockv1.Preblock) { p.Certificate.Locks = p.Certificate.Attestations }),
		"preblock of another view":         preblock(func(p *preblockv1.Preblock) { p.Certificate.View++ }),
		"preblock with another base fee":   preblock(func(p *preblockv1.Preblock) { p.Content.BaseFee++ }),
		"certificate with a wrong lock":    certificate(func(c *preblockv1.Certificate) { c.Locks[1].Signature[9] ^= 1 }),
		"preblock with another list":       preblock(func(p *preblockv1.Preblock) { p.Content.Transactions = p.Content.Transactions[1:] }),
		"preblock with another hash":       preblock(func(p *preblockv1.Preblock) { p.ContentHash[0]++ }),
		"preblock with another plain text": preblock(func(p *preblockv1.Preblock) { p.Outcomes[0].GetOpened().Transaction[0]++ }),
		"preblock with another seed":       preblock(func(p *preblockv1.Preblock) { p.Outcomes[0].GetOpened().Seed[0]++ }),
		"preblock with a share too few":    preblock(func(p *preblockv1.Preblock) { u := p.Outcomes[1].GetUnopenable(); u.Shares = u.Shares[1:] }),
		"preblock that refuses to open":    preblock(func(p *preblockv1.Preblock) { p.Outcomes[0].Result = p.Outcomes[1].Result }),
		"evidence against another":         marshal(t, blamed),
		"certificate of another committee": marshal(t, newWorld(t).preblock().Certificate),
	} {
		if shown, err := w.look(b); !errors.Is(err, inspect.ErrDoesNotVerify) || !strings.Contains(shown, "verdict            INVALID: ") {
			t.Errorf("%s: %v\n%s", name, err, shown)
		}
	}
}

func TestWithoutACommitteeNothingVerifies(t *testing.T) {
	w := newWorld(t)
	w.file = ""
	if shown, err := w.look(w.Sealed([]byte("plain"))); !errors.Is(err, inspect.ErrDoesNotVerify) || !strings.Contains(shown, `"id":"0x`) {
		t.Errorf("sealed transaction: %v\n%s", err, shown)
	}
	if shown, err := w.look(marshal(t, w.preblock())); !errors.Is(err, inspect.ErrDoesNotVerify) || !strings.Contains(shown, "not checked") {
		t.Errorf("preblock: %v\n%s", err, shown)
	}
}

func TestWhatIsNothingCannotBeRead(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{"", "{}", `{"a": 1}`, "hello", "[]", `{"number": "x"}`, "\x00\x01", strings.Repeat("a", 16<<20+1)} {
		if _, err := w.look([]byte(text)); err == nil || errors.Is(err, inspect.ErrDoesNotVerify) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func TestEvidenceFolderIsShownAndLeftAsItIs(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	log, err := wal.Open(dir, wal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // a sequencer that runs on
	for n := uint64(1); n <= 2; n++ {
		if err := log.Append(n, marshal(t, w.equivocation(t, 10+n))); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := inspect.Run(inspect.Config{Path: dir, Kind: inspect.KindAuto, Key: w.key()}, nil, &out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "verdict            VALID"); n != 2 {
		t.Fatalf("%d records verify:\n%s", n, out.String())
	}
	empty := t.TempDir()
	if err := inspect.Run(inspect.Config{Path: empty, Key: w.key()}, nil, &out); !errors.Is(err, inspect.ErrUnknown) {
		t.Fatalf("an empty folder: %v", err)
	}
	if entries, err := os.ReadDir(empty); err != nil || len(entries) != 0 {
		t.Fatalf("left in the folder: %v, %v", entries, err)
	}
}

func TestWordsOfOthersCannotControlATerminal(t *testing.T) {
	w := newWorld(t)
	p := w.preblock()
	p.RequestId = "\x1b[2Jred\u009b"
	shown, err := w.look(marshal(t, p))
	if err != nil || strings.ContainsAny(shown, "\x1b\u009b") || !strings.Contains(shown, "?[2Jred?") {
		t.Fatalf("%v\n%q", err, shown)
	}
}

func FuzzInspect(f *testing.F) {
	f.Add([]byte("0x5ec0"))
	f.Add([]byte(`{"preblock": {"number": "1", "outcomes": [{"unopenable": {"reason": "seed"}}], "certificate": {"attestations": [{}]}}}`))
	f.Add([]byte("\x0a\x02\x08\x01"))
	f.Add([]byte(`{"result": {"listHash": "0x00", "position": "0x1", "transactions": ["0x"], "attestations": [{"authority": "0x100"}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var out bytes.Buffer
		_ = inspect.Run(inspect.Config{Kind: inspect.KindAuto}, bytes.NewReader(b), &out) // it must return
	})
}
