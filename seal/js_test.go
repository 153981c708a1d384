package seal

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
)

// javascript is the second implementation, the npm package in sdk/js: one process, a line of JSON for each question and answer.
type javascript struct {
	in  io.Writer
	out *json.Decoder
}

func startJavaScript(t *testing.T) *javascript {
	t.Helper()
	if testing.Short() {
		t.Skip("make quick starts no Node.js; make test does")
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatalf("this test needs Node.js 20 or newer: %v", err)
	}
	if _, err := os.Stat("../sdk/js/dist/index.js"); err != nil {
		t.Fatalf("the JavaScript package is not built (make npm): %v", err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "test/serve.mjs")
	cmd.Dir, cmd.Stderr = "../sdk/js", os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &javascript{in, json.NewDecoder(bufio.NewReader(out))}
}

type question map[string]any

type answer struct {
	ID, Sealed, Seed, Tx, Z, Proof, Error string
	Shares                                []string
}

func (j *javascript) ask(t *testing.T, q question) (a answer) {
	t.Helper()
	line, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	if err := j.out.Decode(&a); err != nil {
		t.Fatal(err)
	}
	return a
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// randomHeader has numbers of every length, zero among them.
func randomHeader(r *mrand.Rand, w *world) Header {
	number := func() uint64 { return r.Uint64() >> r.IntN(65) }
	h := w.header()
	h.Seq, h.Gas, h.Fee, h.Expiry = number(), number(), number(), number()
	return h
}

func (h Header) question(w *world, op string) question {
	key := w.keys.Point()
	return question{
		"op": op, "chain_id": decimal(h.ChainID), "key": hex.EncodeToString(key[:]), "submitter": hex.EncodeToString(h.Submitter[:]),
		"seq": decimal(h.Seq), "gas": decimal(h.Gas), "fee": decimal(h.Fee), "expiry": decimal(h.Expiry),
		"submitter_key": hex.EncodeToString(crypto.FromECDSA(w.signer)),
	}
}

// A thousand random transactions are sealed on both sides to the same bytes, and each side opens what the other sealed.
func TestJavaScriptAgreesOnRandomTransactions(t *testing.T) {
	t.Parallel()
	j, r := startJavaScript(t), newRand(t)
	worlds := []*world{newWorld(t, 1, 1), newWorld(t, 4, 3), newWorld(t, 4, 2), newWorld(t, 7, 5)}
	for i := range 1000 {
		w := worlds[r.IntN(len(worlds))]
		h := randomHeader(r, w)
		seed, tx := Seed(randomBytes(r, SeedSize)), randomBytes(r, 1+r.IntN(1<<r.IntN(12)))
		sealed, err := Seal(w.keys.Key, h, seed, tx)
		if err != nil {
			t.Fatal(err)
		}
		if err := sealed.Sign(w.signer); err != nil {
			t.Fatal(err)
		}
		q := h.question(w, "seal")
		q["seed"], q["tx"] = hex.EncodeToString(seed[:]), hex.EncodeToString(tx)
		theirs := j.ask(t, q)
		if id := sealed.ID(); theirs.ID != hex.EncodeToString(id[:]) || theirs.Sealed != hex.EncodeToString(sealed.Encode()) {
			t.Fatalf("case %d: JavaScript seals\n%s, Go\n%x", i, theirs.Sealed, sealed.Encode())
		}
		openBoth(t, j, r, w, theirs.Sealed, Opening{seed, tx})
	}
}

func openBoth(t *testing.T, j *javascript, r *mrand.Rand, w *world, sealed string, want Opening) {
	t.Helper()
	raw, err := hex.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	c := checkedVector(t, w.keys.Key, raw)
	random := [32]byte(randomBytes(r, 32))
	q := c.Header.question(w, "open")
	q["sealed"], q["random"] = sealed, hex.EncodeToString(random[:])
	var secrets []question
	var shares []Share
	for _, i := range r.Perm(len(w.secrets))[:w.keys.Threshold()] {
		raw, err := w.secrets[i].Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, question{"authority": i, "secret": hex.EncodeToString(raw)})
		share, err := w.secrets[i].Share(c)
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, share)
	}
	q["secrets"] = secrets
	theirs := j.ask(t, q)
	z, err := w.keys.Combine(shares)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := c.Open(z)
	if err != nil {
		t.Fatal(err)
	}
	_, proof, err := w.secrets[shares[0].Authority].shareWithProof(c, &random)
	if err != nil {
		t.Fatal(err)
	}
	mine := answer{ID: hex.EncodeToString(c.id[:]), Seed: hex.EncodeToString(ours.Seed[:]), Tx: hex.EncodeToString(ours.Tx),
		Z: hex.EncodeToString(z[:]), Proof: hex.EncodeToString(proof[:])}
	for _, s := range shares {
		mine.Shares = append(mine.Shares, hex.EncodeToString(s.Point[:]))
	}
	if fmt.Sprint(mine) != fmt.Sprint(theirs) || ours.Seed != want.Seed || string(ours.Tx) != string(want.Tx) {
		t.Fatalf("JavaScript opens to\n%+v, Go to\n%+v", theirs, mine)
	}
}

// Both refuse the same for the same reason: the shared vectors, and random changes.
func TestJavaScriptAgreesOnRefusals(t *testing.T) {
	t.Parallel()
	j, r := startJavaScript(t), newRand(t)
	for i, c := range readVectors(t).Refused {
		q := question{"op": "check", "chain_id": decimal(uint64(c.ChainID)), "key": hex.EncodeToString(c.PublicKey), "sealed": hex.EncodeToString(c.Sealed)}
		if got := j.ask(t, q); got.Error != c.Reason {
			t.Errorf("vector %d %s: JavaScript refuses with %q, want %s", i, c.What, got.Error, c.Reason)
		}
	}
	for i, c := range readVectors(t).Unopenable {
		var secrets []question
		for a, s := range c.SecretShares[:c.Threshold] {
			secrets = append(secrets, question{"authority": a, "secret": hex.EncodeToString(s)})
		}
		q := question{"op": "open", "chain_id": decimal(uint64(c.ChainID)), "key": hex.EncodeToString(c.PublicKey),
			"sealed": hex.EncodeToString(c.Sealed), "secrets": secrets, "random": ""}
		if got := j.ask(t, q); got.Error != c.Reason {
			t.Errorf("unopenable vector %d %s: JavaScript says %q, want %s", i, c.What, got.Error, c.Reason)
		}
	}
	w := newWorld(t, 4, 3)
	s := w.seal(t, []byte("a transaction"))
	q := s.Header.question(w, "check")
	for range 300 {
		raw := s.Encode()
		raw[r.IntN(len(raw))] ^= 1 << r.IntN(8)
		q["sealed"] = hex.EncodeToString(raw)
		read, err := Parse(raw)
		if err == nil {
			_, err = w.ring.Check(read)
		}
		if theirs := j.ask(t, q); !onlyReason(err, theirs.Error) {
			t.Fatalf("JavaScript refuses with %q, Go with %v: %x", theirs.Error, err, raw)
		}
	}
}
