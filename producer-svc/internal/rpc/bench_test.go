package rpc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"

	"blindseq/producer-svc/devaccounts"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/rpc"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// BenchmarkIntake is transfers sent over HTTP in batches of 200 by 4 clients: until they are durable in the pool, and
// ("blocks") until they are in blocks, which are made meanwhile.
func BenchmarkIntake(b *testing.B) {
	b.Run("pool", func(b *testing.B) { benchIntake(b, false) })
	b.Run("blocks", func(b *testing.B) { benchIntake(b, true) })
}

func benchIntake(b *testing.B, blocks bool) {
	const perBatch, clients = 200, 4
	s := serve(b, rpc.Limits{})
	batches := signedBatches(b, (b.N+perBatch-1)/perBatch, perBatch)
	b.ResetTimer()
	var wg sync.WaitGroup
	for one := range clients {
		wg.Go(func() {
			for i := one; i < len(batches); i += clients {
				sendBatch(b, s.url, batches[i])
			}
		})
	}
	if blocks {
		s.blocksUntil(len(batches) * perBatch)
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(len(batches)*perBatch)/b.Elapsed().Seconds(), "transfers/s")
}

// blocksUntil makes blocks until n transactions are in them.
func (s *served) blocksUntil(n int) {
	work, cancel := s.chain.Work()
	defer cancel()
	for included := 0; included < n; {
		raws, err := s.chain.Content(context.Background(), chain.Limits{Bytes: 500_000})
		must(s.t, err)
		if len(raws) == 0 {
			<-work
			continue
		}
		included += len(s.block().Included)
	}
}

func signedBatches(b *testing.B, batches, size int) []string {
	accounts, err := devaccounts.All()
	must(b, err)
	bodies := make([]string, batches)
	for i := range bodies {
		calls := make([]string, size)
		from := i % len(accounts)
		for j := range calls {
			tx, err := types.SignNewTx(accounts[from].Key, signer, &types.DynamicFeeTx{ChainID: chainID, To: &nobody, Gas: params.TxGas,
				Nonce: uint64(i/len(accounts)*size + j), Value: big.NewInt(1), GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(90 * params.GWei)})
			must(b, err)
			raw, err := tx.MarshalBinary()
			must(b, err)
			calls[j] = send(fmt.Sprint(j), hexutil.Encode(raw))
		}
		bodies[i] = "[" + strings.Join(calls, ",") + "]"
	}
	return bodies
}

func sendBatch(b *testing.B, url, body string) {
	response, err := http.Post("http://"+url, "application/json", strings.NewReader(body))
	if err != nil {
		b.Error(err)
		return
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || !json.Valid(answer) || strings.Contains(string(answer), `"error"`) {
		b.Errorf("%v: %.300s", err, answer)
	}
}
