package hostile

import (
	"crypto/ecdsa"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"testing"

	"blindseq/producer-svc/devaccounts"
	"blindseq/producer-svc/internal/chain"
	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
)

const (
	gasLimit  = 1_200_000
	sealedGas = 400_000
	lifetime  = 4
)

var (
	nobody = common.HexToAddress("0x000000000000000000000000000000000000beef")
	burner = common.HexToAddress("0x000000000000000000000000000000000000b12e") // uses all gas it is called with
	signer = types.NewPragueSigner(big.NewInt(chain.DevChainID))
)

// world is one chain, its replicas, and everybody who sends something.
type world struct {
	t        *testing.T
	rng      *rand.Rand
	schedule uint64
	stats    stats

	c       *committeetest.Committee
	checker *rules.Checker
	window  *rules.Window

	genesis   *core.Genesis
	forks     []uint64
	live      *chain.Chain
	rpc       *rpc.Client
	standby   *chain.Chain
	behind    []decided // what the standby has not executed yet
	restarted *chain.Chain
	dir       string // of the restarted one
	history   []decided

	accounts  []*account // what is sealed and sent in public is theirs
	relay     *ecdsa.PrivateKey
	strangers []*ecdsa.PrivateKey
	public    []*transaction // sent in public
	opened    []*transaction
	ordered   [][]byte // sealed transactions of earlier contents
	judge     *judge
	baseFee   uint64 // of the next block
}

// account is one sender. next is its nonce at the head, planned that of its next transaction if nothing fails.
type account struct {
	key           *ecdsa.PrivateKey
	address       common.Address
	next, planned uint64
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 0xad5e)), stats: stats{}, window: rules.NewWindow(1, lifetime)}
	w.relay = w.newKey()
	w.c = committeetest.NewWith(t, 4, 2, 1, committee.Limits{Lifetime: lifetime, SealedGas: sealedGas}, crypto.PubkeyToAddress(w.relay.PublicKey))
	w.checker = rules.NewChecker(w.c.Committee)
	w.judge = newJudge(w)
	accounts, err := devaccounts.All()
	w.must(err)
	for _, a := range accounts {
		w.accounts = append(w.accounts, &account{key: a.Key, address: a.Address})
	}
	for range 3 {
		w.strangers = append(w.strangers, w.newKey())
	}
	w.makeGenesis()
	w.dir = t.TempDir()
	w.live, w.standby, w.restarted = w.open(""), w.open(""), w.open(w.dir)
	t.Cleanup(func() { w.must(w.restarted.Close()) })
	w.rpc, err = w.live.Client()
	w.must(err)
	t.Cleanup(w.rpc.Close)
	return w
}

// makeGenesis makes a chain with small blocks, on which three forks come soon.
func (w *world) makeGenesis() {
	genesis, err := chain.DevGenesis()
	w.must(err)
	config := *genesis.Config
	at := func() *uint64 {
		fork := genesis.Timestamp + 1 + w.rng.Uint64N(40)
		if n := len(w.forks); n > 0 {
			fork = w.forks[n-1] + w.rng.Uint64N(40)
		}
		w.forks = append(w.forks, fork)
		return &fork
	}
	config.CancunTime, config.PragueTime, config.OsakaTime = at(), at(), at()
	config.BPO1Time, config.BPO2Time, config.BPO3Time, config.BPO4Time = nil, nil, nil, nil
	genesis.Config, genesis.GasLimit = &config, gasLimit
	genesis.Alloc[burner] = types.Account{Code: common.FromHex("5b5f56")} // jumps for ever
	w.genesis = genesis
}

func (w *world) open(dir string) *chain.Chain {
	flush := chain.FlushPolicy{Gas: 20 * gasLimit} // so that one that is killed comes back somewhere
	c, err := chain.Open(chain.Config{Dir: dir, Genesis: w.genesis, Flush: flush, Log: slog.New(slog.DiscardHandler)})
	w.must(err)
	if dir == "" {
		w.t.Cleanup(func() { w.must(c.Close()) })
	}
	return c
}

// run is one schedule.
func (w *world) run() {
	for range 2 + w.rng.IntN(4) {
		if w.live.Waiting().Transactions == 0 {
			w.look()
		}
		w.block()
		if w.live.Waiting().Transactions > 0 && w.rng.IntN(10) == 0 {
			w.restart()
		}
	}
	if w.rng.IntN(25) == 0 {
		w.restart()
	}
	if w.rng.IntN(3) == 0 {
		w.catchUp()
	}
}

// look learns the accounts' nonces.
func (w *world) look() {
	for _, a := range w.accounts {
		var nonce hexutil.Uint64
		w.must(w.rpc.Call(&nonce, "eth_getTransactionCount", a.address, "latest"))
		a.next, a.planned = uint64(nonce), uint64(nonce)
	}
}

func (w *world) newKey() *ecdsa.PrivateKey {
	key, err := crypto.GenerateKey()
	w.must(err)
	return key
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("schedule %d: %v", w.schedule, err)
	}
}

func (w *world) failf(format string, args ...any) {
	w.t.Helper()
	w.t.Errorf("schedule %d: "+format, append([]any{w.schedule}, args...)...)
}

func pick[T any](rng *rand.Rand, all []T) T { return all[rng.IntN(len(all))] }
