// Package attacks holds what attackers try against the running programs, one file for each attacker: anybody on the network,
// the leader, the sequencer, a keyholder. The attacker's code is in the test. Each test says which promise it attacks;
// docs/security.md lists them.
package attacks

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/load"
	"blindseq/producer-svc/devaccounts"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var programs string // set once, by TestMain

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "blindseq-attacks-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if programs, err = cluster.Programs(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// patience is the longest that a test waits for anything, on a busy machine.
const patience = 30 * time.Second

// scene is a running system with four keyholders, of which three open, and blocks on demand only.
type scene struct {
	*cluster.Cluster
	t        *testing.T
	by       *committee.Committee
	client   *ethclient.Client
	accounts []*load.Account
	sealers  map[common.Address]*load.Sealer
}

func newScene(t *testing.T, o cluster.Options) *scene {
	t.Helper()
	o.Keyholders, o.Threshold, o.Bin, o.Dir = 4, 3, programs, t.ArtifactDir()
	if o.Args == nil {
		o.Args = map[string][]string{}
	}
	o.Args[cluster.Producer] = append(o.Args[cluster.Producer], "--time-between-blocks", "1h")
	c, err := cluster.Start(t.Context(), o)
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			c.Tails(t.Output())
		}
		if err := c.Close(); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	s := &scene{Cluster: c, t: t, sealers: map[common.Address]*load.Sealer{}}
	s.by, err = committee.Read(c.Keys.Committee)
	must(t, err)
	s.client, err = c.Eth(t.Context())
	must(t, err)
	t.Cleanup(s.client.Close)
	keys, err := devaccounts.All()
	must(t, err)
	for _, k := range keys {
		s.accounts = append(s.accounts, load.NewAccount(k.Key, new(big.Int).SetUint64(s.by.ChainID)))
	}
	for authority := range s.by.Size() {
		s.restored(authority)
	}
	return s
}

// restored waits until a keyholder signs from the committee's first number on. Started too late, it would sign from a later one.
func (s *scene) restored(authority int) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("keyholder %d to sign", authority), func(ctx context.Context) error {
		answer, err := s.keyholder(authority).GetStatus(ctx, &keyholderv1.GetStatusRequest{})
		if err == nil && answer.GetSignsFrom() != s.by.First {
			err = fmt.Errorf("it signs from %d", answer.GetSignsFrom())
		}
		return err
	})
}

// sealed signs a transfer of an account and seals it by the account, without sending it.
func (s *scene) sealed(a *load.Account) (inner *types.Transaction, out *seal.Sealed) {
	s.t.Helper()
	inner, err := a.Transfer(a.Address)
	must(s.t, err)
	return inner, s.seal(a, inner)
}

func (s *scene) seal(a *load.Account, inner *types.Transaction) *seal.Sealed {
	s.t.Helper()
	if s.sealers[a.Address] == nil {
		s.sealers[a.Address] = load.NewSealer(s.by, a, 0)
	}
	out, err := s.sealers[a.Address].Seal(inner)
	must(s.t, err)
	return out
}

// send sends raw bytes to the gateway as a wallet does.
func (s *scene) send(raw []byte) error {
	return s.client.Client().CallContext(s.t.Context(), nil, "eth_sendRawTransaction", hexutil.Bytes(raw))
}

// pool locks or unlocks the pool: while it is locked, nothing is proposed.
func (s *scene) pool(locked bool) {
	s.t.Helper()
	admin := blueprintv1.NewAdminServiceClient(s.Conn(cluster.Producer))
	s.eventually("lock or unlock the pool", func(ctx context.Context) error {
		if locked {
			_, err := admin.LockPool(ctx, &blueprintv1.LockPoolRequest{})
			return err
		}
		_, err := admin.UnlockPool(ctx, &blueprintv1.UnlockPoolRequest{})
		return err
	})
}

func (s *scene) receipt(tx common.Hash) (r *types.Receipt) {
	s.t.Helper()
	s.eventually("receipt of "+tx.Hex(), func(ctx context.Context) (err error) {
		r, err = s.client.TransactionReceipt(ctx, tx)
		return err
	})
	return r
}

// ending is what te_getTransactionStatus says.
type ending struct {
	Status      string
	BlockNumber hexutil.Uint64
	Reason      string
}

func (s *scene) status(hash common.Hash) (e ending) {
	s.t.Helper()
	must(s.t, s.client.Client().CallContext(s.t.Context(), &e, "te_getTransactionStatus", hash))
	return e
}

// next is a content for the number after the head, with these transactions, as the leader would propose it.
func (s *scene) next(txs ...[]byte) *preblockv1.Content {
	s.t.Helper()
	head, err := s.client.HeaderByNumber(s.t.Context(), nil)
	must(s.t, err)
	return &preblockv1.Content{
		Number: head.Number.Uint64() + 1, PreviousBlockHash: head.Hash().Bytes(), Timestamp: timestamppb.New(time.Now().Truncate(time.Second)),
		Transactions: txs,
	}
}

func (s *scene) sequencer() dsnv1.SequencerServiceClient {
	return dsnv1.NewSequencerServiceClient(s.Conn(cluster.DSN))
}

func (s *scene) keyholder(authority int) keyholderv1.KeyholderServiceClient {
	return keyholderv1.NewKeyholderServiceClient(s.Conn(cluster.Keyholder(authority)))
}

func (s *scene) preblock(number uint64) *preblockv1.Preblock {
	s.t.Helper()
	answer, err := s.sequencer().GetPreblock(s.t.Context(), &dsnv1.GetPreblockRequest{Number: number})
	must(s.t, err)
	return answer.GetPreblock()
}

// eventually polls what only polling shows from outside.
func (s *scene) eventually(what string, look func(ctx context.Context) error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := look(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("%s: not within %s; last error: %v", what, patience, err)
		}
	}
}

// refused wants the status code of a refusal.
func refused(t *testing.T, what string, err error, want ...codes.Code) {
	t.Helper()
	got := status.Code(err)
	for _, code := range want {
		if got == code {
			return
		}
	}
	t.Errorf("%s: answered with %v (%s), want %v", what, err, got, want)
}

func newAccount(t *testing.T, s *scene) *load.Account {
	t.Helper()
	key, err := crypto.GenerateKey()
	must(t, err)
	return load.NewAccount(key, new(big.Int).SetUint64(s.by.ChainID))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
