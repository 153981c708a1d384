package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"blindseq/e2e/cluster"
	"blindseq/e2e/load"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/orderproof"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
)

// onDemand keeps empty blocks away.
func onDemand() map[string][]string {
	return map[string][]string{cluster.Producer: {"--time-between-blocks", "1h"}}
}

func committeeOf(t *testing.T, c *cluster.Cluster) *committee.Committee {
	t.Helper()
	out, err := committee.Read(c.Keys.Committee)
	must(t, err)
	return out
}

// teStatus is the answer of te_getTransactionStatus.
type teStatus struct {
	Status      string
	BlockNumber hexutil.Uint64
	Reason      string
}

func statusOf(t *testing.T, client *ethclient.Client, hash common.Hash) (s teStatus) {
	t.Helper()
	must(t, client.Client().CallContext(t.Context(), &s, "te_getTransactionStatus", hash))
	return s
}

// sendSealed sends a sealed transaction, which must be taken, and returns its id.
func sendSealed(t *testing.T, client *ethclient.Client, s *seal.Sealed) (id common.Hash) {
	t.Helper()
	must(t, client.Client().CallContext(t.Context(), &id, "eth_sendRawTransaction", hexutil.Bytes(s.Encode())))
	if id != common.Hash(s.ID()) {
		t.Errorf("answered with %s, the id is %s", id, s.ID())
	}
	return id
}

// stranger is a sealer for a new account without funds.
func stranger(t *testing.T, by *committee.Committee) *load.Sealer {
	t.Helper()
	key, err := crypto.GenerateKey()
	must(t, err)
	return load.NewSealer(by, load.NewAccount(key, new(big.Int).SetUint64(by.ChainID)), 0)
}

// orderProof asks for the proof of where something was ordered, and verifies it.
func orderProof(t *testing.T, client *ethclient.Client, by *committee.Committee, hash common.Hash) *orderproof.Proof {
	t.Helper()
	proof := new(orderproof.Proof)
	must(t, client.Client().CallContext(t.Context(), proof, "te_getOrderProof", hash))
	must(t, proof.Verify(by))
	return proof
}

// sequencer asks the DSN's sequencer how far it is.
func sequencer(t *testing.T, c *cluster.Cluster) *dsnv1.GetStatusResponse {
	t.Helper()
	s, err := dsnv1.NewSequencerServiceClient(c.Conn(cluster.DSN)).GetStatus(t.Context(), &dsnv1.GetStatusRequest{})
	must(t, err)
	return s
}

// preblock asks the monitor for what the DSN fixed.
func preblock(t *testing.T, c *cluster.Cluster, number uint64) *preblockv1.Preblock {
	t.Helper()
	answer, err := preblockv1.NewMonitorServiceClient(c.Conn(cluster.Monitor)).
		GetPreblock(t.Context(), &preblockv1.GetPreblockRequest{Number: number})
	must(t, err)
	return answer.GetPreblock()
}

// inAll tells whether a text has all the pieces.
func inAll(text string, pieces ...string) bool {
	return !slices.ContainsFunc(pieces, func(piece string) bool { return !strings.Contains(text, piece) })
}

// inspect runs dsn-node inspect as somebody who has the committee's file and nothing else.
func inspect(ctx context.Context, committeeFile, object string) (out []byte, err error) {
	return exec.CommandContext(ctx, filepath.Join(programs, cluster.DSN), "inspect", "--committee-file", committeeFile, object).CombinedOutput()
}

func get(t *testing.T, url string) (status int, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	must(t, err)
	return resp.StatusCode, body
}

// getJSON reads an answer of REST.
func getJSON(t *testing.T, url string, into any) {
	t.Helper()
	status, body := get(t, url)
	if status != http.StatusOK {
		t.Fatalf("%s: status %d: %s", url, status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatal(fmt.Errorf("%s: %w: %s", url, err, body))
	}
}
