package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"testing"

	"blindseq/e2e/cluster"
	"blindseq/e2e/load"
	"blindseq/e2e/rest"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
)

func TestTransfersContractsAndBlocksOnDemandWork(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{})
	client, accounts := wallet(t, c)
	api := rest.New(c.REST, 2)
	t.Cleanup(api.Close)

	t.Run("a transfer gets a receipt", func(t *testing.T) { transferGetsReceipt(t, client, accounts[0]) })
	t.Run("a contract is deployed and called", func(t *testing.T) { contractWorks(t, client, accounts[1]) })
	t.Run("produce_block makes a block", func(t *testing.T) { produceBlockMakesABlock(t, client, api) })
	t.Run("killed and restarted, it continues from the same head", func(t *testing.T) {
		continuesAfterKill(t, c, client, api, accounts[2])
	})
	t.Run("SIGTERM ends every service cleanly", func(t *testing.T) { must(t, c.StopAll()) })
}

func transferGetsReceipt(t *testing.T, client *ethclient.Client, from *load.Account) {
	to := common.HexToAddress("0x00000000000000000000000000000000000000aa")
	tx, err := from.Transfer(to)
	r := send(t, client, tx, err)
	balance, err := client.BalanceAt(t.Context(), to, r.BlockNumber)
	must(t, err)
	if balance.Cmp(common.Big1) != 0 {
		t.Fatalf("the receiver has %s wei", balance)
	}
	block, err := client.BlockByHash(t.Context(), r.BlockHash)
	must(t, err)
	if block.Transaction(tx.Hash()) == nil {
		t.Fatalf("block %s does not hold %s", r.BlockHash, tx.Hash())
	}
}

func contractWorks(t *testing.T, client *ethclient.Client, from *load.Account) {
	bytecode, contract := counter(t)
	tx, err := from.Sign(contractCall(nil, bytecode))
	address := send(t, client, tx, err).ContractAddress
	set, err := contract.Pack("set", big.NewInt(42))
	must(t, err)
	tx, err = from.Sign(contractCall(&address, set))
	send(t, client, tx, err)
	get, err := contract.Pack("get")
	must(t, err)
	out, err := client.CallContract(t.Context(), ethereum.CallMsg{To: &address, Data: get}, nil)
	must(t, err)
	if got := new(big.Int).SetBytes(out); got.Int64() != 42 {
		t.Fatalf("the contract holds %s", got)
	}
}

func contractCall(to *common.Address, data []byte) *types.DynamicFeeTx {
	return &types.DynamicFeeTx{
		GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(100 * params.GWei), Gas: 200_000, To: to, Data: data,
	}
}

func produceBlockMakesABlock(t *testing.T, client *ethclient.Client, api *rest.Client) {
	before, err := client.BlockNumber(t.Context())
	must(t, err)
	answer, err := api.ProduceBlock(t.Context(), "e2e-once", "{}")
	must(t, err)
	block := answer.GetBlock()
	if block.GetNumber() <= before || answer.GetRequestId() != "e2e-once" {
		t.Fatalf("head was %d, got %v", before, answer)
	}
	header, err := client.HeaderByNumber(t.Context(), new(big.Int).SetUint64(block.GetNumber()))
	must(t, err)
	if header.Hash().Hex() != block.GetHash() {
		t.Fatalf("JSON-RPC shows %s, the answer was %s", header.Hash(), block.GetHash())
	}
	again, err := api.ProduceBlock(t.Context(), "e2e-once", "{}")
	must(t, err)
	if again.GetBlock().GetHash() != block.GetHash() {
		t.Fatalf("the repeat gave %v, the first %v", again, answer)
	}
	_, err = api.ProduceBlock(t.Context(), "e2e-once", `{"with_delayed_transactions": false}`)
	if refused := new(rest.Error); !errors.As(err, &refused) || refused.Status != http.StatusConflict {
		t.Fatalf("the key with another body: %v", err)
	}
}

func continuesAfterKill(t *testing.T, c *cluster.Cluster, client *ethclient.Client, api *rest.Client, from *load.Account) {
	for i := range 30 { // fewer than geth flushes, so that they must come from the blueprint log
		_, err := api.ProduceBlock(t.Context(), fmt.Sprintf("before-kill-%d", i), "")
		must(t, err)
	}
	before, err := client.HeaderByNumber(t.Context(), nil)
	must(t, err)
	must(t, c.KillAll())
	must(t, c.StartAll(t.Context()))
	var after *types.Header
	eventually(t, "the old head after the restart", func(ctx context.Context) (bool, error) {
		after, err = client.HeaderByNumber(ctx, before.Number)
		return err == nil, err
	})
	if after.Hash() != before.Hash() {
		t.Fatalf("block %s was %s, after the restart it is %s", before.Number, before.Hash(), after.Hash())
	}
	tx, err := from.Transfer(from.Address)
	if r := send(t, client, tx, err); r.BlockNumber.Cmp(before.Number) <= 0 {
		t.Fatalf("the transfer went into block %s, the head was %s", r.BlockNumber, before.Number)
	}
	next, err := client.HeaderByNumber(t.Context(), new(big.Int).Add(before.Number, common.Big1))
	must(t, err)
	if next.ParentHash != before.Hash() {
		t.Fatalf("the block after the restart has parent %s, not %s", next.ParentHash, before.Hash())
	}
}
