package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"blindseq/dsn-node/dkg"
	"blindseq/kit/certs/certstest"
	"blindseq/kit/testaddr"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/keyfile"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// output is what a process writes, to be read while it runs.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // of capacity 1
}

func newOutput() *output { return &output{changed: make(chan struct{}, 1)} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.changed <- struct{}{}:
	default:
	}
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (o *output) await(t *testing.T, text string) {
	t.Helper()
	for !strings.Contains(o.String(), text) {
		select {
		case <-o.changed:
		case <-time.After(30 * time.Second):
			t.Fatalf("%q was not written:\n%s", text, o)
		}
	}
}

// generation is a ceremony of processes.
type generation struct {
	dir       string
	processes []*process
	outputs   []*output
}

func newGeneration(t *testing.T, n, threshold int) *generation {
	t.Helper()
	g := &generation{dir: t.TempDir()}
	type participant struct {
		Identity string `json:"identity"`
		Endpoint string `json:"endpoint"`
	}
	var list []participant
	for i := range n {
		address, err := dkg.NewIdentity(dkg.Identity{Out: g.path(i, "identity")})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, participant{address.Hex(), testaddr.Next(t)})
	}
	sequencer, err := dkg.NewIdentity(dkg.Identity{Out: filepath.Join(g.dir, "sequencer")})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]any{
		"name": t.Name(), "chain_id": 1337, "first_number": 1, "threshold": threshold, "participants": list, "sequencers": []common.Address{sequencer},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(g.dir, "ceremony.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		g.processes = append(g.processes, &process{args: []string{"dkg", "--grpc-address", list[i].Endpoint, "--ceremony-file", file,
			"--identity-file", g.path(i, "identity"), "--out", g.path(i, "keys"), "--start-timeout", "60s", "--phase-timeout", "3s"}})
		g.outputs = append(g.outputs, newOutput())
	}
	return g
}

func (g *generation) path(i int, name string) string {
	return filepath.Join(g.dir, fmt.Sprint(i, ".", name))
}

func (g *generation) start(t *testing.T, i int) {
	t.Helper()
	g.processes[i].startWith(t, g.outputs[i])
	t.Cleanup(g.processes[i].kill)
}

// end waits for a process and returns its exit code.
func (g *generation) end(t *testing.T, i int) int {
	t.Helper()
	p := g.processes[i]
	stuck := time.AfterFunc(60*time.Second, func() { _ = p.command.Process.Kill() })
	defer stuck.Stop()
	_ = p.command.Wait() // an exit code other than 0 is an error here
	code := p.command.ProcessState.ExitCode()
	p.command = nil
	return code
}

func TestFourProcessesMakeAKeyThatWorks(t *testing.T) {
	g := newGeneration(t, 4, 3)
	for i := range 4 {
		g.start(t, i)
	}
	var files [4][]byte
	var shares []*seal.Secret
	for i := range 4 {
		if code := g.end(t, i); code != 0 {
			t.Fatalf("participant %d: exit code %d\n%s", i, code, g.outputs[i])
		}
		files[i] = g.read(t, i, "committee.json")
		if !bytes.Equal(files[i], files[0]) {
			t.Fatalf("participants 0 and %d have other committees", i)
		}
		share, err := keyfile.ReadShare(filepath.Join(g.path(i, "keys"), "share.json"), nil) // refuses a file that others can read
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, share)
	}
	c, err := committee.Read(filepath.Join(g.path(0, "keys"), "committee.json"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if !strings.Contains(g.outputs[i].String(), dkg.Fingerprint(c.Keys.Point())) {
			t.Errorf("participant %d does not print the key's fingerprint:\n%s", i, g.outputs[i])
		}
	}
	opens(t, c, shares[1:])
}

// TestACeremonyOverTLS: participants are keyholders to be, and nobody else may deliver.
func TestACeremonyOverTLS(t *testing.T) {
	g := newGeneration(t, 4, 3)
	a, err := certstest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range g.processes {
		host, _, err := net.SplitHostPort(p.args[slices.Index(p.args, "--grpc-address")+1])
		if err != nil {
			t.Fatal(err)
		}
		a.Hosts = []string{host}
		files, err := a.Write(t.TempDir(), fmt.Sprint("keyholder-", i), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		p.args = append(p.args, "--tls-cert", files.Cert, "--tls-key", files.Key, "--tls-ca", files.CA)
		g.start(t, i)
	}
	for i := range 4 {
		if code := g.end(t, i); code != 0 || !bytes.Equal(g.read(t, i, "committee.json"), g.read(t, 0, "committee.json")) {
			t.Fatalf("participant %d: exit code %d\n%s", i, code, g.outputs[i])
		}
	}
}

func (g *generation) read(t *testing.T, i int, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(g.path(i, "keys"), name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// opens seals for the committee and opens with these secrets.
func opens(t *testing.T, c *committee.Committee, secrets []*seal.Secret) {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	header := seal.Header{ChainID: c.ChainID, Key: c.Keys.ID(), Submitter: crypto.PubkeyToAddress(key.PublicKey), Gas: 21_000, Expiry: 1}
	sealed, err := seal.Seal(c.Keys.Key, header, seal.NewSeed(), []byte("sealed bid"))
	if err == nil {
		err = sealed.Sign(key)
	}
	if err != nil {
		t.Fatal(err)
	}
	checked, err := c.Ring().Check(sealed)
	if err != nil {
		t.Fatal(err)
	}
	var shares []seal.Share
	for _, secret := range secrets {
		share, err := secret.Share(checked)
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, share)
	}
	z, err := c.Keys.Combine(shares)
	if err != nil {
		t.Fatal(err)
	}
	if opening, err := checked.Open(z); err != nil || string(opening.Tx) != "sealed bid" {
		t.Fatalf("got %q, %v", opening.Tx, err)
	}
}

func TestAProcessKilledDuringTheCeremonyFailsItCleanlyForAll(t *testing.T) {
	g := newGeneration(t, 4, 3)
	const victim = 2
	for _, i := range []int{0, 1, victim} {
		g.start(t, i)
	}
	for _, i := range []int{0, 1} { // its part of the first phase is done
		g.outputs[i].await(t, fmt.Sprintf("kind=commit from=%d", victim))
	}
	g.processes[victim].kill()
	g.start(t, 3)
	for _, i := range []int{0, 1, 3} {
		if code := g.end(t, i); code != 1 {
			t.Errorf("participant %d: exit code %d", i, code)
		}
		if !strings.Contains(g.outputs[i].String(), fmt.Sprintf("participant %d (", victim)) {
			t.Errorf("participant %d does not name who was killed:\n%s", i, g.outputs[i])
		}
	}
	g.nothingIsWritten(t)
}

func TestAProcessToldToStopSaysSoAndTheOthersFailAtOnce(t *testing.T) {
	g := newGeneration(t, 3, 2)
	g.start(t, 0)
	g.start(t, 1)
	g.outputs[0].await(t, "kind=commit from=1")
	if err := g.processes[1].command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if code := g.end(t, i); code != 1 {
			t.Errorf("participant %d: exit code %d\n%s", i, code, g.outputs[i])
		}
	}
	if text := g.outputs[0].String(); !strings.Contains(text, "participant 1 (") || !strings.Contains(text, "ended the ceremony") {
		t.Errorf("participant 0 says:\n%s", text)
	}
	g.nothingIsWritten(t)
}

func (g *generation) nothingIsWritten(t *testing.T) {
	t.Helper()
	for i := range g.processes {
		for _, path := range []string{g.path(i, "keys"), g.path(i, "keys.pending")} {
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is there: %v", path, err)
			}
		}
	}
}
