package e2e

import (
	"context"
	"encoding/json"
	"math/big"
	"os"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/load"
	"blindseq/producer-svc/devaccounts"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

// patience is how long anything may take that a test waits for, on a busy machine.
const patience = 30 * time.Second

// wallet returns a JSON-RPC client of the gateway and the accounts of the development genesis.
func wallet(t *testing.T, c *cluster.Cluster) (*ethclient.Client, []*load.Account) {
	t.Helper()
	client, err := c.Eth(t.Context())
	must(t, err)
	t.Cleanup(client.Close)
	id, err := client.ChainID(t.Context())
	must(t, err)
	keys, err := devaccounts.All()
	must(t, err)
	var accounts []*load.Account
	for _, k := range keys {
		accounts = append(accounts, load.NewAccount(k.Key, id))
	}
	return client, accounts
}

// eventually polls what only polling shows from outside: the state of other processes.
func eventually(t *testing.T, what string, look func(ctx context.Context) (done bool, err error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := look(ctx)
		if done {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %s; last error: %v", what, patience, err)
		}
	}
}

// receipt waits for the receipt of a transaction.
func receipt(t *testing.T, client *ethclient.Client, tx common.Hash) (r *types.Receipt) {
	t.Helper()
	eventually(t, "receipt of "+tx.Hex(), func(ctx context.Context) (bool, error) {
		var err error
		r, err = client.TransactionReceipt(ctx, tx)
		return err == nil, err
	})
	return r
}

// send sends a transaction and waits for its receipt, which must say that it succeeded.
func send(t *testing.T, client *ethclient.Client, tx *types.Transaction, err error) *types.Receipt {
	t.Helper()
	must(t, err)
	must(t, client.SendTransaction(t.Context(), tx))
	r := receipt(t, client, tx.Hash())
	if r.Status != types.ReceiptStatusSuccessful {
		t.Fatalf("transaction %s failed", tx.Hash())
	}
	return r
}

// headAbove waits until the head's number is above n.
func headAbove(t *testing.T, client *ethclient.Client, n uint64) (head uint64) {
	t.Helper()
	eventually(t, "a head above "+big.NewInt(0).SetUint64(n).String(), func(ctx context.Context) (bool, error) {
		var err error
		head, err = client.BlockNumber(ctx)
		return err == nil && head > n, err
	})
	return head
}

// lockPool locks or unlocks the pool as soon as the producer leads: it may have lost its lease, to a wrong value in Redis
// or to a busy machine, and take it again while blocks go on.
func lockPool(t *testing.T, admin blueprintv1.AdminServiceClient, locked bool) {
	t.Helper()
	eventually(t, "lock or unlock the pool", func(ctx context.Context) (bool, error) {
		var err error
		if locked {
			_, err = admin.LockPool(ctx, &blueprintv1.LockPoolRequest{})
		} else {
			_, err = admin.UnlockPool(ctx, &blueprintv1.UnlockPoolRequest{})
		}
		return err == nil, err
	})
}

// counter is the contract that the wallet scripts use too.
func counter(t *testing.T) (bytecode []byte, contract abi.ABI) {
	t.Helper()
	raw, err := os.ReadFile("wallets/counter.json")
	must(t, err)
	var file struct {
		Bytecode hexutil.Bytes `json:"bytecode"`
		ABI      abi.ABI       `json:"abi"`
	}
	must(t, json.Unmarshal(raw, &file))
	return file.Bytecode, file.ABI
}
