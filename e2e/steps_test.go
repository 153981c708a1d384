package e2e

import (
	"encoding/json"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/load"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/orderproof"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// pushed is what te_subscribe("transaction") notifies of.
type pushed struct {
	Step             string
	Hash, ID         common.Hash
	BlockNumber      hexutil.Uint64
	TransactionHash  common.Hash
	TransactionIndex *hexutil.Uint64
	Reason           string
	Barred           bool
	Proof            json.RawMessage
	at               time.Time
}

func (s pushed) last() bool { return s.Step == "executed" || s.Step == "ended" }

// stepsOver subscribes to a transaction; each call of next returns the next step.
func stepsOver(t *testing.T, socket *gethrpc.Client, hash common.Hash) (next func() pushed) {
	t.Helper()
	steps := make(chan pushed, 16)
	sub, err := socket.Subscribe(t.Context(), "te", steps, "transaction", hash)
	must(t, err)
	t.Cleanup(sub.Unsubscribe)
	return func() pushed {
		t.Helper()
		select {
		case one := <-steps:
			one.at = time.Now()
			return one
		case err := <-sub.Err():
			t.Fatalf("the subscription to %s ended: %v", hash, err)
		case <-time.After(patience):
			t.Fatalf("no next step of %s within %s", hash, patience)
		}
		return pushed{}
	}
}

// toTheEnd reads the steps up to the last one.
func toTheEnd(t *testing.T, next func() pushed) (all []pushed) {
	t.Helper()
	for {
		all = append(all, next())
		if all[len(all)-1].last() {
			return all
		}
	}
}

func named(steps []pushed) (names []string) {
	for _, one := range steps {
		names = append(names, one.Step)
	}
	return names
}

func requireSteps(t *testing.T, steps []pushed, want ...string) {
	t.Helper()
	if got := named(steps); !slices.Equal(got, want) {
		t.Fatalf("steps %v, not %v", got, want)
	}
}

func dialSocket(t *testing.T, url string) *gethrpc.Client {
	t.Helper()
	socket, err := gethrpc.DialContext(t.Context(), url)
	must(t, err)
	t.Cleanup(socket.Close)
	return socket
}

func TestTheStepsOfATransactionArePushed(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{Keyholders: 4, Threshold: 3, Args: onDemand()})
	client, accounts := wallet(t, c)
	socket := dialSocket(t, c.WS)
	by := committeeOf(t, c)
	sealer := load.NewSealer(by, accounts[0], 0)
	t.Run("sealed", func(t *testing.T) { pushedOfSealed(t, c, client, socket, by, sealer, accounts[0]) })
	t.Run("plain", func(t *testing.T) {
		tx, err := accounts[1].Transfer(common.Address{9})
		must(t, err)
		next := stepsOver(t, socket, tx.Hash())
		must(t, client.SendTransaction(t.Context(), tx))
		steps := toTheEnd(t, next)
		requireSteps(t, steps, "pending", "final", "executed")
		requireFinal(t, by, steps[1], tx.Hash())
		requireReceipt(t, client, steps[2], tx.Hash())
		requireEvents(t, c, tx.Hash(), "pending", "final", "executed")
		late := toTheEnd(t, stepsOver(t, socket, tx.Hash()))
		requireSteps(t, late, "pending", "final", "executed")
		requireFinal(t, by, late[1], tx.Hash())
	})
	t.Run("unopenable", func(t *testing.T) {
		garbage, err := sealer.Garbage(seal.ErrPadding)
		must(t, err)
		id := common.Hash(garbage.ID())
		next := stepsOver(t, socket, id)
		sendSealed(t, client, garbage)
		steps := toTheEnd(t, next)
		requireSteps(t, steps, "sealed", "final", "ended")
		requireFinal(t, by, steps[1], id)
		if !strings.HasPrefix(steps[2].Reason, "unopenable") {
			t.Errorf("ended because %q", steps[2].Reason)
		}
	})
	t.Run("replaced", func(t *testing.T) { pushedOfReplaced(t, client, socket, accounts[2]) })
}

// pushedOfSealed follows one that its own sender seals, before and after it is sent.
func pushedOfSealed(t *testing.T, c *cluster.Cluster, client *ethclient.Client, socket *gethrpc.Client, by *committee.Committee, sealer *load.Sealer, a *load.Account) {
	tx, err := a.Transfer(common.Address{7})
	must(t, err)
	sealed, err := sealer.Seal(tx)
	must(t, err)
	id := common.Hash(sealed.ID())
	next := stepsOver(t, socket, id)
	sent := time.Now()
	sendSealed(t, client, sealed)
	steps := toTheEnd(t, next)
	requireSteps(t, steps, "sealed", "final", "opened", "executed")
	for _, one := range steps {
		t.Logf("%-8s after %s", one.Step, one.at.Sub(sent).Round(100*time.Microsecond))
	}
	requireFinal(t, by, steps[1], id)
	if steps[2].TransactionHash != tx.Hash() {
		t.Errorf("opened to %s, not %s", steps[2].TransactionHash, tx.Hash())
	}
	requireReceipt(t, client, steps[3], tx.Hash())

	late := toTheEnd(t, stepsOver(t, socket, id))
	requireSteps(t, late, "sealed", "final", "opened", "executed")
	requireFinal(t, by, late[1], id)
	requireSteps(t, toTheEnd(t, stepsOver(t, socket, tx.Hash())), "sealed", "final", "executed")
	inspected(t, c, steps[1])
	requireEvents(t, c, id, "sealed", "final", "opened", "executed")
}

// requireEvents reads the steps of a transaction over REST, to the end, and has dsn-node verify what was final.
func requireEvents(t *testing.T, c *cluster.Cluster, hash common.Hash, want ...string) {
	t.Helper()
	status, body := get(t, c.REST+"/v1/transactions/"+hash.Hex()+"/events")
	if status != http.StatusOK {
		t.Fatalf("events: %d %s", status, body)
	}
	var names []string
	for line := range strings.Lines(string(body)) {
		field, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if field == "event" {
			names = append(names, value)
		}
		if field == "data" && names[len(names)-1] == "final" {
			path := filepath.Join(t.TempDir(), "event.json")
			must(t, os.WriteFile(path, []byte(value), 0o600))
			if out, err := inspect(t.Context(), c.Keys.Committee, path); err != nil {
				t.Errorf("inspect: %v\n%s", err, out)
			}
		}
	}
	if !slices.Equal(names, want) {
		t.Errorf("events %v, not %v", names, want)
	}
}

// pushedOfReplaced follows a transaction that another one replaces in the pool.
func pushedOfReplaced(t *testing.T, client *ethclient.Client, socket *gethrpc.Client, a *load.Account) {
	nonce := a.Nonce
	waits := signed(t, a, nonce+1, 1)
	next := stepsOver(t, socket, waits.Hash())
	must(t, client.SendTransaction(t.Context(), waits))
	if one := next(); one.Step != "pending" {
		t.Fatalf("step %s, not pending", one.Step)
	}
	must(t, client.SendTransaction(t.Context(), signed(t, a, nonce+1, 2)))
	if one := next(); one.Step != "ended" || one.Reason == "" {
		t.Errorf("step %s because %q, not ended with a reason", one.Step, one.Reason)
	}
}

// signed is a transfer with a nonce that comes too early, at a number of times the usual price.
func signed(t *testing.T, a *load.Account, nonce uint64, times int64) *types.Transaction {
	t.Helper()
	a.Nonce = nonce
	tx, err := a.Sign(&types.DynamicFeeTx{
		ChainID: big.NewInt(1337), GasTipCap: big.NewInt(times * params.GWei), GasFeeCap: big.NewInt(times * 1000 * params.GWei), Gas: 21_000, To: &common.Address{1},
	})
	must(t, err)
	return tx
}

// requireFinal verifies what was pushed, and that what is forged of it is refused.
func requireFinal(t *testing.T, by *committee.Committee, s pushed, hash common.Hash) {
	t.Helper()
	read := func() *orderproof.Proof {
		p := new(orderproof.Proof)
		must(t, json.Unmarshal(s.Proof, p))
		return p
	}
	step := &orderproof.Step{Step: s.Step, Hash: hash, BlockNumber: &s.BlockNumber, Proof: read()}
	must(t, step.VerifyPreconfirmation(by))
	proof := step.Proof
	raw := proof.Transactions[proof.Position]
	if seal.IsSealed(raw) {
		inside, err := seal.Parse(raw)
		must(t, err)
		if common.Hash(inside.ID()) != hash {
			t.Errorf("at its place stands %s, not %s", inside.ID(), hash)
		}
	} else if proof.Hash != hash {
		t.Errorf("at its place stands %s, not %s", proof.Hash, hash)
	}
	if uint64(proof.Number) != uint64(s.BlockNumber) {
		t.Errorf("the proof is of number %d, the step of %d", proof.Number, s.BlockNumber)
	}
	for name, forge := range map[string]func(*orderproof.Proof){
		"number":       func(p *orderproof.Proof) { p.Number++ },
		"locks":        func(p *orderproof.Proof) { p.Locks = p.Locks[1:] },
		"attestations": func(p *orderproof.Proof) { p.Attestations[0].Signature[10]++ },
		"list":         func(p *orderproof.Proof) { p.Transactions = append(p.Transactions, []byte{1}) },
	} {
		if p := read(); forged(p, forge).Verify(by) == nil {
			t.Errorf("a proof with forged %s verifies", name)
		}
	}
}

func forged(p *orderproof.Proof, forge func(*orderproof.Proof)) *orderproof.Proof {
	forge(p)
	return p
}

func requireReceipt(t *testing.T, client *ethclient.Client, s pushed, hash common.Hash) {
	t.Helper()
	r, err := client.TransactionReceipt(t.Context(), hash) // at once: the step says that it is there
	must(t, err)
	if s.TransactionIndex == nil || r.BlockNumber.Uint64() != uint64(s.BlockNumber) || r.TransactionIndex != uint(*s.TransactionIndex) || s.TransactionHash != hash {
		t.Errorf("step %+v, receipt of block %d, index %d", s, r.BlockNumber, r.TransactionIndex)
	}
}

// inspected has dsn-node verify a step as it was pushed.
func inspected(t *testing.T, c *cluster.Cluster, s pushed) {
	t.Helper()
	message := map[string]any{"jsonrpc": "2.0", "method": "te_subscription", "params": map[string]any{
		"subscription": "0x1", "result": map[string]any{"step": s.Step, "hash": s.Hash, "blockNumber": s.BlockNumber, "proof": s.Proof}}}
	write := func() string {
		raw, err := json.Marshal(message)
		must(t, err)
		path := filepath.Join(t.TempDir(), "step.json")
		must(t, os.WriteFile(path, raw, 0o600))
		return path
	}
	out, err := inspect(t.Context(), c.Keys.Committee, write())
	if err != nil || !inAll(string(out), "locked by", "VALID") {
		t.Errorf("inspect: %v\n%s", err, out)
	}
	s.Proof = json.RawMessage(strings.Replace(string(s.Proof), `"locks":[{"authority":"0x`, `"locks":[{"authority":"0xf`, 1))
	message["params"].(map[string]any)["result"].(map[string]any)["proof"] = s.Proof
	if out, err := inspect(t.Context(), c.Keys.Committee, write()); err == nil {
		t.Errorf("inspect takes a forged lock:\n%s", out)
	}
}

// TestFollowingGoesOnWhenTheLeaderIsKilled between any two steps: its sockets are closed, and who connects again gets all steps.
func TestFollowingGoesOnWhenTheLeaderIsKilled(t *testing.T) {
	t.Parallel()
	args := []string{"--ack-replicas", "1", "--time-between-blocks", "1h"}
	c := start(t, cluster.Options{
		Keyholders: 4, Threshold: 3, Replicas: []cluster.Replica{{Name: standbyB}, {Name: standbyC}},
		Args: map[string][]string{cluster.Producer: args, standbyB: args, standbyC: args},
	})
	client, accounts := wallet(t, c)
	o := &observation{c: c, client: client}
	sealer := load.NewSealer(committeeOf(t, c), accounts[0], 0)
	for _, at := range []string{"sealed", "final", "opened"} {
		tx, err := accounts[0].Transfer(common.Address{7})
		must(t, err)
		sealed, err := sealer.Seal(tx)
		must(t, err)
		id := common.Hash(sealed.ID())
		if at == "sealed" { // nothing becomes final before the kill
			for _, k := range []int{0, 1} {
				must(t, c.Process(cluster.Keyholder(k)).Signal(syscall.SIGSTOP))
			}
		}
		steps := make(chan pushed, 16)
		sub, err := dialSocket(t, c.WS).Subscribe(t.Context(), "te", steps, "transaction", id)
		must(t, err)
		sendSealed(t, client, sealed)
		for one := range steps {
			if one.Step == at {
				break
			}
		}
		killed := o.leader(t)
		must(t, c.Process(killed).Kill())
		select {
		case <-sub.Err():
		case <-time.After(patience):
			t.Fatalf("the socket stays open %s after its producer was killed", patience)
		}
		if at == "sealed" {
			for _, k := range []int{0, 1} {
				must(t, c.Process(cluster.Keyholder(k)).Signal(syscall.SIGCONT))
			}
		}
		again := stepsOver(t, dialSocket(t, c.WS), id)
		requireSteps(t, toTheEnd(t, again), "sealed", "final", "opened", "executed")
		restart(t, c, killed)
	}
}

// TestABundlersWalletIsToldTheStepsOfWhatItSent by the hash that it knows, though what is ordered is the sealed one.
func TestABundlersWalletIsToldTheStepsOfWhatItSent(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{Keyholders: 4, Threshold: 3, Bundler: true, Args: onDemand()})
	_, accounts := wallet(t, c)
	by := committeeOf(t, c)
	bundler, err := ethclient.DialContext(t.Context(), c.Wallets)
	must(t, err)
	t.Cleanup(bundler.Close)
	socket := dialSocket(t, strings.Replace(c.Wallets, "http", "ws", 1))
	a := accounts[0]
	first, err := a.Transfer(common.Address{7})
	must(t, err)
	second, err := a.Transfer(common.Address{7})
	must(t, err)
	ofFirst, ofSecond := stepsOver(t, socket, first.Hash()), stepsOver(t, socket, second.Hash())
	must(t, bundler.SendTransaction(t.Context(), second)) // its nonce comes too early
	if one := ofSecond(); one.Step != "pending" {
		t.Fatalf("the second is %s", one.Step)
	}
	sent := time.Now()
	must(t, bundler.SendTransaction(t.Context(), first))
	steps := toTheEnd(t, ofFirst)
	requireSteps(t, steps, "sealed", "final", "opened", "executed")
	for _, one := range steps {
		t.Logf("%-8s after %s", one.Step, one.at.Sub(sent).Round(100*time.Microsecond))
		if one.Hash != first.Hash() || one.ID == (common.Hash{}) {
			t.Errorf("%s is of %s, sealed as %s", one.Step, one.Hash, one.ID)
		}
	}
	requireFinal(t, by, steps[1], steps[1].ID)
	after := toTheEnd(t, ofSecond)
	requireSteps(t, after, "sealed", "final", "opened", "executed")
	requireFinal(t, by, after[1], after[1].ID)
	r, err := bundler.TransactionReceipt(t.Context(), second.Hash())
	must(t, err)
	if r.BlockNumber.Uint64() != uint64(after[3].BlockNumber) {
		t.Errorf("executed in block %d, its receipt says %d", after[3].BlockNumber, r.BlockNumber)
	}
	late := toTheEnd(t, stepsOver(t, socket, first.Hash()))
	if got := slices.DeleteFunc(named(late), func(step string) bool { return step == "opened" }); !slices.Equal(got, []string{"sealed", "final", "executed"}) {
		t.Errorf("told late %v", got) // when the bundler has forgotten it, the observer tells of the hash inside, which is opened as it is final
	}
	replaced, by2 := signed(t, a, 5, 1), signed(t, a, 5, 2)
	ofReplaced := stepsOver(t, socket, replaced.Hash())
	must(t, bundler.SendTransaction(t.Context(), replaced))
	must(t, bundler.SendTransaction(t.Context(), by2))
	ended := toTheEnd(t, ofReplaced)
	requireSteps(t, ended, "pending", "ended")
	if !strings.Contains(ended[1].Reason, by2.Hash().Hex()) {
		t.Errorf("ended because %q", ended[1].Reason)
	}
}
