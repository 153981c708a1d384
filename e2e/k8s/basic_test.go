package k8s

import (
	"context"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

func TestEveryPodIsReady(t *testing.T) {
	s := open(t)
	workloads, err := s.Workloads(t.Context())
	must(t, err)
	for _, w := range workloads {
		must(t, s.AwaitRollout(t.Context(), w))
	}
	t.Logf("%d workloads are ready", len(workloads))
}

func TestABlockIsMadeOnDemand(t *testing.T) {
	s := open(t)
	before, err := s.rpc.BlockNumber(t.Context())
	must(t, err)
	number, err := s.produce(t.Context())
	must(t, err)
	if number <= before {
		t.Errorf("produce_block gave block %d; the head was %d before", number, before)
	}
	t.Logf("produce_block gave block %d", number)
}

func TestAWalletsTransactionIsInABlock(t *testing.T) {
	s := open(t)
	s.transferThrough(t, s.rpc)
}

func TestATransactionIsSealedByTheBundlerAndOpenedInABlock(t *testing.T) {
	s := open(t)
	hash := s.transferThrough(t, s.wallets)
	var status struct{ Status string }
	must(t, s.wallets.Client().CallContext(t.Context(), &status, "te_getTransactionStatus", hash))
	if status.Status != "included" {
		t.Errorf("the bundler says %q of it", status.Status)
	}
}

// transferThrough sends a transfer as a wallet does, and waits for its receipt.
func (s *system) transferThrough(t *testing.T, client *ethclient.Client) common.Hash {
	t.Helper()
	a := s.accounts(t)[0]
	tx, err := a.Transfer(a.Address)
	must(t, err)
	must(t, client.SendTransaction(t.Context(), tx))
	var r *types.Receipt
	eventually(t, "receipt of "+tx.Hash().Hex(), func(ctx context.Context) (bool, error) {
		var err error
		r, err = client.TransactionReceipt(ctx, tx.Hash())
		return err == nil, err
	})
	if r.Status != types.ReceiptStatusSuccessful {
		t.Fatalf("transaction %s failed", tx.Hash())
	}
	t.Logf("%s is in block %s", tx.Hash(), r.BlockNumber)
	return tx.Hash()
}
