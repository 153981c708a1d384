package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
)

func transfers(t *testing.T, n int) []*types.Transaction {
	t.Helper()
	accounts, err := Accounts(1)
	if err != nil {
		t.Fatal(err)
	}
	var txs []*types.Transaction
	for range n {
		tx, err := accounts[0].Transfer(common.Address{1})
		if err != nil {
			t.Fatal(err)
		}
		txs = append(txs, tx)
	}
	return txs
}

func TestNoncesAreConsecutiveAndSignaturesTheAccounts(t *testing.T) {
	accounts, err := Accounts(1)
	if err != nil {
		t.Fatal(err)
	}
	for i, tx := range transfers(t, 3) {
		from, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
		if err != nil || from != accounts[0].Address || tx.Nonce() != uint64(i) {
			t.Fatalf("transaction %d: nonce %d from %s (%v)", i, tx.Nonce(), from, err)
		}
	}
}

func TestGenesisIsOneThatGethReads(t *testing.T) {
	accounts, err := Accounts(3)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := Genesis(accounts)
	if err != nil {
		t.Fatal(err)
	}
	genesis := new(core.Genesis)
	if err := json.Unmarshal(raw, genesis); err != nil {
		t.Fatal(err)
	}
	if genesis.Alloc[accounts[2].Address].Balance.Sign() <= 0 || genesis.Config.ChainID.Int64() != ChainID {
		t.Fatalf("chain %s, %v", genesis.Config.ChainID, genesis.Alloc[accounts[2].Address])
	}
}

func TestBatchCountsWhatWasAcknowledged(t *testing.T) {
	txs := transfers(t, 3)
	answer := fmt.Sprintf(`[{"id":0,"result":%q},{"id":1,"error":{"code":-32000,"message":"txpool is full"}},{"id":2,"result":%q}]`,
		txs[0].Hash(), txs[2].Hash())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var calls []call
		if body, err := io.ReadAll(r.Body); err != nil || json.Unmarshal(body, &calls) != nil || len(calls) != 3 {
			t.Errorf("got %d calls (%v)", len(calls), err)
		}
		fmt.Fprint(w, answer)
	}))
	defer server.Close()
	batch, err := NewBatch(txs)
	if err != nil {
		t.Fatal(err)
	}
	n, err := batch.Send(t.Context(), server.Client(), server.URL)
	if n != 2 || !errors.Is(err, ErrRefused) {
		t.Fatalf("%d acknowledged, %v", n, err)
	}
	answer = `[]`
	if n, err = batch.Send(t.Context(), server.Client(), server.URL); n != 0 || err == nil {
		t.Fatalf("%d acknowledged, %v", n, err)
	}
}
