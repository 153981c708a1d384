package abuse

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"testing"

	"blindseq/e2e/load"
	"blindseq/producer-svc/devaccounts"
	"blindseq/seal/committee"
)

const (
	// onlyEnv is a pattern of the names of the attacks to run.
	onlyEnv = "BLINDSEQ_ABUSE_ONLY"
	// ordersEnv makes the test program the attackers' process.
	ordersEnv = "BLINDSEQ_ABUSE_ORDERS"
	// leastPriority is that of the attackers' process: attackers have processors of their own elsewhere, and here only what the
	// system and its users leave.
	leastPriority = "19"
)

// orders are what the attackers' process is told.
type orders struct {
	Where     where
	Committee string // its file
}

// counts are what became of one attack's tries.
type counts struct{ Answered, Refused int64 }

// startAttackers runs all attacks until stop, which gives their counts.
func startAttackers(t *testing.T, o orders) (stop func() map[string]counts) {
	t.Helper()
	given, err := json.Marshal(o)
	must(t, err)
	self, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), "nice", "-n", leastPriority, self) // all threads of the process have it
	cmd.Env = append(os.Environ(), ordersEnv+"="+string(given))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, t.Output()
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	return func() map[string]counts {
		t.Helper()
		must(t, in.Close())
		must(t, cmd.Wait())
		var got map[string]counts
		must(t, json.Unmarshal(out.Bytes(), &got))
		return got
	}
}

// attackAs is the attackers' process. It attacks until its input ends, and prints the counts.
func attackAs(given string) (code int) {
	got, err := attackAll(given)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(got)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "attackers:", err)
		return 1
	}
	return 0
}

func attackAll(given string) (map[string]counts, error) {
	var o orders
	if err := json.Unmarshal([]byte(given), &o); err != nil {
		return nil, err
	}
	by, err := committee.Read(o.Committee)
	if err != nil {
		return nil, err
	}
	keys, err := devaccounts.All()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	attackers := map[string]*attacker{}
	var all sync.WaitGroup
	only := regexp.MustCompile(os.Getenv(onlyEnv))
	for i, a := range attacks {
		if only.MatchString(a.name) {
			dust := load.NewAccount(keys[firstAttacker+i%(len(keys)-firstAttacker)].Key, big.NewInt(devChainID))
			one := newAttacker(o.Where, by, i, dust)
			attackers[a.name] = one
			all.Go(func() { a.run(ctx, one) })
		}
	}
	_, err = io.Copy(io.Discard, os.Stdin) // until the test closes it, or ends
	cancel()
	all.Wait()
	got := map[string]counts{}
	for name, one := range attackers {
		got[name] = counts{one.answered.Load(), one.refused.Load()}
	}
	return got, err
}

// firstAttacker is the number of the first developer's account that an attacker has; the ones before are of honest wallets.
const firstAttacker = 2
