package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"blindseq/dsn-node/offline/keygen"
	"blindseq/e2e/cluster"
	"blindseq/e2e/history"
	"blindseq/e2e/load"
	"blindseq/e2e/standin"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
)

// The keyholders that a test can make break the rules: two for shares, one for attestations.
const (
	liar, otherLiar, equivocator = 1, 4, 6
)

// observedCommittee is a run with seven keyholders, of which five are needed, under plain and sealed load.
type observedCommittee struct {
	*observation
	standins map[int]*standin.Keyholder
	senders  []*load.Account
}

func TestSevenKeyholdersOfWhichFiveAreHonestLoseNothing(t *testing.T) {
	t.Parallel()
	o := startCommittee(t)
	o.everyoneGoesOn(t)
	t.Run("two killed", o.twoKilled)
	t.Run("two lie about shares", o.twoLie)
	t.Run("one equivocates", o.oneEquivocates)
	t.Run("three killed, and one comes back", o.threeKilled)
	h := o.judge(t)
	requireSealed(t, h)
}

func startCommittee(t *testing.T) *observedCommittee {
	t.Helper()
	o := &observedCommittee{standins: map[int]*standin.Keyholder{}}
	fronts := map[string]cluster.Front{}
	for _, authority := range []int{liar, otherLiar, equivocator} {
		fronts[cluster.Keyholder(authority)] = func(address string, keys *keygen.Files) (string, error) {
			s, err := standin.Serve(authority, address, keys)
			if err != nil {
				return "", err
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			o.standins[authority] = s
			return s.Address(), nil
		}
	}
	c := start(t, cluster.Options{Keyholders: 7, Threshold: 5, Bundler: true, Fronts: fronts})
	client, accounts := wallet(t, c)
	bundler, err := ethclient.DialContext(t.Context(), c.Wallets)
	must(t, err)
	t.Cleanup(bundler.Close)
	o.senders = accounts[:4]
	o.observation = watched(t, c, client, o.senders[:2], 30*time.Millisecond)
	o.bundled.Store(o.senders[2].Address.Hex(), bundler)
	by := committeeOf(t, c)
	o.send(o.senders[2], func(ctx context.Context) error {
		return load.Stream(ctx, bundler, o.senders[2], 60*time.Millisecond, o.Recorder)
	})
	o.send(o.senders[3], func(ctx context.Context) error {
		return load.StreamSealed(ctx, client, by, o.senders[3], 60*time.Millisecond, o.Recorder)
	})
	return o
}

// newAcks waits until every sender has new acknowledgements, and returns the last of each.
func (o *observedCommittee) newAcks(t *testing.T) map[string]common.Hash {
	t.Helper()
	const each = 3
	begun := o.acks()
	last := map[string]common.Hash{}
	eventually(t, "new acknowledged transactions of every sender", func(context.Context) (bool, error) {
		count := map[string]int{}
		o.Add(func(h *history.History) {
			for _, a := range h.Acks[begun:] {
				count[a.By]++
				last[a.By] = a.Tx
			}
		})
		for _, s := range o.senders {
			if count[s.Address.Hex()] < each {
				return false, fmt.Errorf("new ones by sender: %v", count)
			}
		}
		return true, nil
	})
	return last
}

// everyoneGoesOn waits until transactions of every sender are in blocks that were not sent when it was called.
func (o *observedCommittee) everyoneGoesOn(t *testing.T) {
	t.Helper()
	for _, tx := range o.newAcks(t) {
		receipt(t, o.client, tx)
	}
}

func (o *observedCommittee) kill(t *testing.T, authorities ...int) {
	t.Helper()
	for _, a := range authorities {
		must(t, o.c.Process(cluster.Keyholder(a)).Kill())
	}
}

// restart starts keyholders that were killed, and waits until the sequencer counts them in.
func (o *observedCommittee) restart(t *testing.T, authorities ...int) {
	t.Helper()
	for _, a := range authorities {
		must(t, o.c.Process(cluster.Keyholder(a)).Start())
	}
	for _, a := range authorities {
		line := fmt.Sprintf("blindseq_dsn_keyholder_up{keyholder=%q} 1\n", o.addressOf(a))
		eventually(t, fmt.Sprintf("keyholder %d taking part", a), func(context.Context) (bool, error) {
			return strings.Contains(o.metrics(t), line), nil
		})
	}
}

// addressOf is the address by which the sequencer names a keyholder.
func (o *observedCommittee) addressOf(authority int) string {
	if s, ok := o.standins[authority]; ok {
		return s.Address()
	}
	return o.c.GRPC(cluster.Keyholder(authority))
}

func (o *observedCommittee) metrics(t *testing.T) string {
	t.Helper()
	_, body := get(t, "http://"+o.c.Ops(cluster.DSN)+"/metrics")
	return string(body)
}

func (o *observedCommittee) twoKilled(t *testing.T) {
	o.kill(t, 0, liar)
	began := o.Now()
	o.everyoneGoesOn(t)
	t.Logf("everyone's next transactions are in blocks %s after two keyholders were killed", (o.Now() - began).Round(time.Millisecond))
	o.restart(t, 0, liar)
}

func (o *observedCommittee) twoLie(t *testing.T) {
	for _, a := range []int{liar, otherLiar} {
		o.standins[a].Behave(standin.WrongShares)
	}
	o.everyoneGoesOn(t)
	for _, a := range []int{liar, otherLiar} {
		o.mustBeNamed(t, a, "wrong_share")
		o.standins[a].Behave(standin.Honest)
	}
}

func (o *observedCommittee) oneEquivocates(t *testing.T) {
	o.standins[equivocator].Behave(standin.Equivocating)
	o.everyoneGoesOn(t)
	o.mustBeNamed(t, equivocator, "equivocation")
	o.standins[equivocator].Behave(standin.Honest)
	o.mustBeConvicted(t)
}

// mustBeNamed waits until metrics and log name a keyholder. One that is too late to matter is not noticed at once.
func (o *observedCommittee) mustBeNamed(t *testing.T, authority int, kind string) {
	t.Helper()
	counter := fmt.Sprintf("blindseq_dsn_keyholder_faults_total{keyholder=%q,kind=%q} ", o.addressOf(authority), kind)
	eventually(t, fmt.Sprintf("the metrics naming keyholder %d", authority), func(context.Context) (bool, error) {
		_, after, ok := strings.Cut(o.metrics(t), counter)
		return ok && !strings.HasPrefix(after, "0\n"), nil
	})
	eventually(t, fmt.Sprintf("the log naming keyholder %d", authority), func(context.Context) (bool, error) {
		return strings.Contains(string(o.c.Process(cluster.DSN).Tail(16<<20)),
			fmt.Sprintf(`msg="keyholder convicted; evidence kept" service="dsn-node sequencer" authority=%d kind=%s `, authority, kind)), nil
	})
}

// mustBeConvicted has a stranger, who has the committee's file alone, inspect a copy of the evidence.
func (o *observedCommittee) mustBeConvicted(t *testing.T) {
	t.Helper()
	evidence := filepath.Join(t.TempDir(), "evidence")
	must(t, os.CopyFS(evidence, os.DirFS(filepath.Join(o.c.DataDir(cluster.DSN), "evidence"))))
	out, err := inspect(t.Context(), o.c.Keys.Committee, evidence)
	if err != nil { // it ends with 0 only when every record verifies
		t.Errorf("dsn-node inspect: %v\n%s", err, out)
	}
	against := map[string]int{}
	for authority := range 7 {
		for _, kind := range []string{"wrong_share", "equivocation"} {
			if n := strings.Count(string(out), fmt.Sprintf("evidence against authority %d: %s\n", authority, kind)); n > 0 {
				against[fmt.Sprintf("%d %s", authority, kind)] = n
			}
		}
	}
	if len(against) != 3 || against["1 wrong_share"] == 0 || against["4 wrong_share"] == 0 || against["6 equivocation"] == 0 {
		t.Errorf("convicted are %v, want 1 and 4 of wrong shares and 6 of equivocation", against)
	}
	// Against another committee's file none of it holds.
	others, err := keygen.Run(keygen.Config{Out: t.TempDir(), Keyholders: 7, Threshold: 5, ChainID: 1337, FirstNumber: 1})
	must(t, err)
	out, err = inspect(t.Context(), others.Committee, evidence)
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 { // 1: it was read and does not verify
		t.Errorf("against another committee, dsn-node inspect ends with %v:\n%s", err, out)
	}
	t.Logf("dsn-node inspect verifies the records: %v", against)
}

// oneShort is the reason for which the round that was going on stands: of the five it needs, four answer. Which answers it
// waits for depends on the moment of the kill.
var oneShort = regexp.MustCompile(`preblock \d+ waits for (attestations|locks|decryption shares): 4 of 5`)

func (o *observedCommittee) threeKilled(t *testing.T) {
	o.kill(t, 0, 2, 5)
	ready := "http://" + o.c.Ops(cluster.DSN) + "/readyz"
	var said string
	eventually(t, "the sequencer saying that it waits", func(context.Context) (bool, error) {
		status, body := get(t, ready)
		said = string(body)
		return status == http.StatusServiceUnavailable && oneShort.MatchString(said), fmt.Errorf("status %d: %s", status, body)
	})
	for _, a := range []int{0, 2, 5} {
		if !strings.Contains(said, o.addressOf(a)) {
			t.Errorf("/readyz does not name keyholder %d (%s): %s", a, o.addressOf(a), said)
		}
	}
	stopped, err := o.client.BlockNumber(t.Context())
	must(t, err)
	waiting := o.newAcks(t) // wallets are answered all the same
	o.mustStand(t, stopped, waiting)
	o.mustSayWhy(t)
	t.Logf("/readyz while three are away: %s", said)

	began := o.Now()
	o.restart(t, 2)
	for _, tx := range waiting {
		receipt(t, o.client, tx)
	}
	t.Logf("what was acknowledged meanwhile is in blocks %s after one came back", (o.Now() - began).Round(time.Millisecond))
	o.everyoneGoesOn(t)
	o.restart(t, 0, 5)
	eventually(t, "the sequencer ready again", func(context.Context) (bool, error) {
		status, body := get(t, ready)
		return status == http.StatusOK && o.waiting(t) == "", fmt.Errorf("status %d: %s; /v1/status: %q", status, body, o.waiting(t))
	})
}

// waiting is what /v1/status says that the DSN waits for.
func (o *observedCommittee) waiting(t *testing.T) string {
	t.Helper()
	var status struct{ Dsn struct{ Waiting string } }
	getJSON(t, o.c.REST+"/v1/status", &status)
	return status.Dsn.Waiting
}

// mustSayWhy: the reason is where operators look. It makes no replica of the others unready: all see the same.
func (o *observedCommittee) mustSayWhy(t *testing.T) {
	t.Helper()
	whole := func(said string) bool {
		return oneShort.MatchString(said) && inAll(said, o.addressOf(0), o.addressOf(2), o.addressOf(5))
	}
	eventually(t, "the reason in /v1/status", func(context.Context) (bool, error) {
		said := o.waiting(t)
		return whole(said), fmt.Errorf("it says %q", said)
	})
	for _, name := range []string{cluster.Gateway, cluster.Monitor} {
		eventually(t, "the reason in /readyz of "+name, func(context.Context) (bool, error) {
			status, body := get(t, "http://"+o.c.Ops(name)+"/readyz")
			return status == http.StatusOK && whole(string(body)), fmt.Errorf("status %d: %s", status, body)
		})
	}
}

// mustStand: nothing was produced above a number, nothing has failed, and what waits is said to wait.
func (o *observedCommittee) mustStand(t *testing.T, stopped uint64, waiting map[string]common.Hash) {
	t.Helper()
	if head, err := o.client.BlockNumber(t.Context()); err != nil || head != stopped {
		t.Errorf("the head is %d (%v), production stopped at %d", head, err, stopped)
	}
	for _, name := range append(cluster.Services(), cluster.Bundler, cluster.Keyholder(liar)) {
		if status, body := get(t, "http://"+o.c.Ops(name)+"/livez"); status != http.StatusOK {
			t.Errorf("%s is not live: status %d: %s", name, status, body)
		}
	}
	for _, tx := range waiting {
		if s := statusOf(t, o.client, tx); s.Status == "executed" || s.Status == "ended" {
			t.Errorf("%s is %+v while nothing is produced", tx, s)
		}
	}
}

// requireSealed checks that the run had sealed transactions of wallets and of the bundler.
func requireSealed(t *testing.T, h *history.History) {
	t.Helper()
	opened, acknowledged := 0, 0
	for _, p := range h.Preblocks {
		for _, outcome := range p.Value.GetOutcomes() {
			if outcome.GetOpened() != nil {
				opened++
			}
		}
	}
	for _, a := range h.Acks {
		if a.Sealed {
			acknowledged++
		}
	}
	t.Logf("%d sealed transactions were opened, %d of them acknowledged by their id", opened, acknowledged)
	if acknowledged == 0 || opened <= acknowledged {
		t.Errorf("%d were opened, %d were acknowledged: there must be more, those of the bundler", opened, acknowledged)
	}
}
