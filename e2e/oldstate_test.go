package e2e

import (
	"context"
	"errors"
	"math/big"
	"testing"

	"blindseq/e2e/cluster"
	"blindseq/kit/jsonrpc"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/ethclient/gethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

// archive is the observer that keeps all states. The leader keeps those in memory.
const archive = "archive"

// The state of a block that the leader does not keep any more is that of a replica which does: right away, and after all of them were
// killed.
func TestTheStateOfEveryBlockIsAnsweredWhenAReplicaKeepsIt(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{
		Replicas: []cluster.Replica{{Name: archive, Observer: true}, {Name: observer, Observer: true}},
		Args: map[string][]string{
			cluster.Producer: {"--history", "128"}, archive: {"--history", "archive"}, observer: {"--history", "250"},
		},
	})
	client, accounts := wallet(t, c)
	old := &oldStates{t: t, client: client, to: common.HexToAddress("0xfeed")}
	for range 420 {
		tx, err := accounts[0].Transfer(old.to)
		must(t, err)
		var r *types.Receipt
		must(t, client.Client().Call(&r, "eth_sendRawTransactionSync", encoded(t, tx)))
		old.receipts = append(old.receipts, r)
	}
	head := old.receipts[len(old.receipts)-1].BlockNumber.Uint64()
	headAbove(t, replica(t, c, archive), head-1)
	headAbove(t, replica(t, c, observer), head-1)
	old.await()
	old.check()
	if _, err := replica(t, c, observer).BalanceAt(t.Context(), old.to, big.NewInt(5)); codeOf(err) != jsonrpc.NotKept {
		t.Errorf("a replica that keeps 250 blocks was asked about the fifth: %v", err)
	}
	for _, name := range []string{cluster.Producer, archive} {
		must(t, c.Process(name).Kill())
		restart(t, c, name)
	}
	headAbove(t, replica(t, c, archive), head-1)
	headAbove(t, client, head-1)
	old.await()
	old.check()
}

// oldStates are transfers of 1 wei each, one after the other.
type oldStates struct {
	t        *testing.T
	client   *ethclient.Client
	to       common.Address
	receipts []*types.Receipt
}

// await waits until the gateway has heard of the replica that keeps all states: each tells that it is there once a second.
func (o *oldStates) await() {
	o.t.Helper()
	eventually(o.t, "a gateway that knows the archive", func(ctx context.Context) (bool, error) {
		_, err := o.client.BalanceAt(ctx, o.to, common.Big1)
		return err == nil, err
	})
}

// check asks about the first, the last and some blocks between.
func (o *oldStates) check() {
	t, ctx := o.t, o.t.Context()
	t.Helper()
	for i := 0; i < len(o.receipts); i += 19 {
		at, want := o.receipts[i].BlockNumber, int64(i+1)
		balance, err := o.client.BalanceAt(ctx, o.to, at)
		must(t, err)
		proof, err := gethclient.New(o.client.Client()).GetProof(ctx, o.to, nil, at)
		must(t, err)
		if balance.Int64() != want || proof.Balance.Int64() != want || len(proof.AccountProof) == 0 {
			t.Errorf("after %d transfers, at block %s, the balance is %s, and in its proof %s", want, at, balance, proof.Balance)
		}
		// The call deploys nothing: it returns the balance of the receiver, PUSH20 BALANCE PUSH0 MSTORE PUSH1 32 PUSH0 RETURN.
		code := append(append([]byte{0x73}, o.to[:]...), common.FromHex("315f5260205ff3")...)
		answer, err := o.client.CallContract(ctx, ethereum.CallMsg{Data: code}, at)
		must(t, err)
		if got := new(big.Int).SetBytes(answer); got.Int64() != want {
			t.Errorf("after %d transfers, at block %s, a call sees %s", want, at, got)
		}
		var trace struct{ Type, Value string }
		must(t, o.client.Client().Call(&trace, "debug_traceTransaction", o.receipts[i].TxHash, map[string]string{"tracer": "callTracer"}))
		if trace.Type != "CALL" || trace.Value != "0x1" {
			t.Errorf("transaction %d has the trace %+v", i, trace)
		}
	}
}

// replica is a client of one producer or observer.
func replica(t *testing.T, c *cluster.Cluster, name string) *ethclient.Client {
	t.Helper()
	client, err := ethclient.DialContext(t.Context(), c.RPCOf(name))
	must(t, err)
	t.Cleanup(client.Close)
	return client
}

func encoded(t *testing.T, tx *types.Transaction) hexutil.Bytes {
	t.Helper()
	bytes, err := tx.MarshalBinary()
	must(t, err)
	return bytes
}

// codeOf is the code of an error of JSON-RPC.
func codeOf(err error) int {
	coded := rpc.Error(nil)
	if errors.As(err, &coded) {
		return coded.ErrorCode()
	}
	return 0
}
