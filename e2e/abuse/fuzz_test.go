package abuse

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"blindseq/e2e/cluster"
)

// shortFuzz is how long each API is fuzzed in a run of all tests.
const shortFuzz = 3 * time.Second

// schemathesisEnv names the program that tests REST by its OpenAPI document. Without it, REST is not fuzzed.
const schemathesisEnv = "BLINDSEQ_SCHEMATHESIS"

// fuzzWorkers send at the same time.
const fuzzWorkers = 8

// growth is how much more memory a process may use after garbage collection at the end of a run than after its first part.
const growth = 64 * mebibyte

// methods that wallets and tools call, and some that nobody serves.
var methods = strings.Fields(`
	eth_accounts eth_blobBaseFee eth_blockNumber eth_call eth_chainId eth_createAccessList eth_estimateGas eth_feeHistory
	eth_fillTransaction eth_gasPrice eth_getBalance eth_getBlockByHash eth_getBlockByNumber eth_getBlockReceipts
	eth_getBlockTransactionCountByHash eth_getBlockTransactionCountByNumber eth_getCode eth_getFilterChanges eth_getFilterLogs
	eth_getHeaderByNumber eth_getLogs eth_getProof eth_getRawTransactionByHash eth_getStorageAt eth_getTransactionByBlockHashAndIndex
	eth_getTransactionByBlockNumberAndIndex eth_getTransactionByHash eth_getTransactionCount eth_getTransactionReceipt
	eth_getUncleByBlockHashAndIndex eth_getUncleCountByBlockNumber eth_maxPriorityFeePerGas eth_newBlockFilter eth_newFilter
	eth_newPendingTransactionFilter eth_sendRawTransaction eth_sendTransaction eth_sign eth_simulateV1 eth_subscribe eth_syncing
	eth_uninstallFilter eth_unsubscribe eth_nothing net_listening net_peerCount net_version web3_clientVersion web3_sha3 rpc_modules
	txpool_content txpool_contentFrom txpool_inspect txpool_status debug_traceBlockByNumber debug_traceCall debug_traceTransaction
	debug_getRawBlock debug_getRawTransaction debug_storageRangeAt admin_nodeInfo engine_newPayloadV4 personal_sign
	te_getTransactionStatus te_getCommittee te_getEncryptionKey te_getOrderProof te_getSubmitter te_nextSeq produceBlock
`)

// pieces of parameters.
var pieces = []string{
	`"latest"`, `"earliest"`, `"pending"`, `"finalized"`, `"0x0"`, `"0x1"`, `"0x"`, `""`, `"0xffffffffffffffff"`, `"0x10000000000000000"`, `"-0x1"`, `null`,
	`true`, `0`, `-1`, `1e400`, `1.5`, `18446744073709551616`, `[]`, `{}`, `[[]]`, `[null]`, `"\u0000"`, `"\ud800"`, `"0xzz"`, `"logs"`, `"newHeads"`,
	`"0x0000000000000000000000000000000000000000"`, `"0x0000000000000000000000000000000000000002"`, `"0x71562b71999873DB5b286dF957af199Ec94617F7"`,
	`"0x0000000000000000000000000000000000000000000000000000000000000000"`, `"0xc0"`, `"0x02c0"`, `"0x7ec0"`, `"0x7e01"`, `"0x5b600056"`,
	`{"to":"0x0000000000000000000000000000000000000002","data":"0x00"}`, `{"data":"0x5b600056"}`, `{"from":"0x71562b71999873DB5b286dF957af199Ec94617F7","gas":"0xffffffffffffffff","value":"0xffffffffffffffffffff"}`,
	`{"fromBlock":"0x0","toBlock":"latest"}`, `{"fromBlock":"latest","toBlock":"0x0"}`, `{"fromBlock":"0x0","toBlock":"0xffffffffffffffff","topics":[[[]]]}`,
	`{"address":["0x0000000000000000000000000000000000000002"],"topics":[null,["0x00"]]}`, `{"blockHash":"0x00","fromBlock":"0x1"}`,
	`{"tracer":"callTracer"}`, `{"tracer":"{"}`, `{"tracer":"prestateTracer","timeout":"-1s"}`, `{"timeout":"99999h","enableMemory":true,"limit":-1}`,
	`{"blockStateCalls":[{"calls":[{"data":"0x5b600056"}]}]}`, `{"timestamp":"2999-01-01T00:00:00Z"}`, `{"with_delayed_transactions":true}`,
	`{"0x0000000000000000000000000000000000000002":{"code":"0x5b600056","balance":"0x1","state":{},"stateDiff":{}}}`, `[25,50,75]`, `[-1,200]`, `"0x400"`,
}

func one[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// request makes the body of a call or of a batch; one in four is then damaged.
func request(r *rand.Rand) []byte {
	var body []byte
	switch r.IntN(10) {
	case 0:
		var calls []string
		for range r.IntN(5) {
			calls = append(calls, single(r))
		}
		body = []byte("[" + strings.Join(calls, ",") + "]")
	case 1:
		body = []byte(strings.Repeat("[", r.IntN(20000)) + one(r, pieces))
	default:
		body = []byte(single(r))
	}
	if r.IntN(4) == 0 {
		body = damaged(r, body)
	}
	return body
}

func single(r *rand.Rand) string {
	var parameters []string
	for range r.IntN(5) {
		parameters = append(parameters, one(r, pieces))
	}
	id := one(r, []string{`1`, `"a"`, `null`, `{}`, `-1.5`, `[1]`, strings.Repeat("9", 300)})
	if r.IntN(3) > 0 {
		id = `1`
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":%q,"params":[%s]}`, id, one(r, methods), strings.Join(parameters, ","))
}

// damaged changes, cuts out or repeats some bytes.
func damaged(r *rand.Rand, body []byte) []byte {
	body = bytes.Clone(body)
	for range 1 + r.IntN(4) {
		if len(body) == 0 {
			return body
		}
		at := r.IntN(len(body))
		end := min(len(body), at+1+r.IntN(20))
		switch r.IntN(3) {
		case 0:
			body[at] = byte(r.IntN(256))
		case 1:
			body = append(body[:at], body[end:]...)
		default:
			body = bytes.Join([][]byte{body[:end], body[at:]}, nil)
		}
	}
	return body
}

// Every API that strangers reach is given what nobody would send. Each answer is one, none says that the server failed, no
// process ends, panics or grows. All are asked at the same time. What a process has on its heap is compared when nobody asks, after a
// first part of the time and at the end.
func TestFuzzedAPIsAnswerAndDoNotGrow(t *testing.T) {
	d := duration(t, fuzzEnv, shortFuzz)
	c := start(t, true)
	fuzzAll(t, c, d/10, "")
	before := live(t, c)
	fuzzAll(t, c, d, os.Getenv(schemathesisEnv))
	sleep(t.Context(), 10*time.Second) // until traces whose client has gone have ended
	after := live(t, c)
	used, err := c.Usage()
	must(t, err)
	for _, name := range c.Names() {
		t.Logf("%-14s live heap %4d MiB after the first part, %4d at the end; resident at most %4d of %4d", name,
			before[name]/mebibyte, after[name]/mebibyte, used[name].Peak/mebibyte, limitOf(name))
		if used[name].Peak/mebibyte > limitOf(name) {
			t.Errorf("%s used %d MiB, more than %d", name, used[name].Peak/mebibyte, limitOf(name))
		}
		if grown := after[name] - before[name]; grown > growth {
			t.Errorf("%s has grown by %d MiB", name, grown/mebibyte)
		}
		if bytes.Contains(c.Process(name).Tail(mebibyte), []byte("panic")) {
			t.Errorf("%s has panicked", name)
		}
	}
}

// fuzzAll fuzzes each API for d, REST with schemathesis if there is the program.
func fuzzAll(t *testing.T, c *cluster.Cluster, d time.Duration, program string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var all sync.WaitGroup
	for name, url := range map[string]string{
		"the gateway's JSON-RPC": c.RPC, "the gateway's private route": c.Private, "the bundler's JSON-RPC": c.Wallets, "the producer's JSON-RPC": c.Direct,
	} {
		all.Go(func() { fuzz(ctx, t, name, url) })
	}
	if program != "" {
		all.Go(func() { schemathesis(ctx, t, program, c.REST, d) })
	}
	all.Wait()
}

// live is what each process has on its heap after a garbage collection.
func live(t *testing.T, c *cluster.Cluster) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	for _, name := range c.Names() {
		for range 3 { // buffers that were given back to a pool stay for two collections
			get(t, "http://"+c.Ops(name)+"/debug/pprof/heap?gc=1")
		}
		for line := range strings.Lines(get(t, "http://"+c.Ops(name)+"/metrics")) {
			if value, ok := strings.CutPrefix(line, "go_memstats_heap_alloc_bytes "); ok {
				n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
				must(t, err)
				all[name] = int64(n)
			}
		}
		if all[name] == 0 {
			t.Fatalf("%s does not say how much memory it uses", name)
		}
	}
	return all
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return string(body)
}

func fuzz(ctx context.Context, t *testing.T, name, url string) {
	seed := uint64(time.Now().UnixNano())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: fuzzWorkers}, Timeout: patience}
	var sent, complaints atomic.Int64
	var all sync.WaitGroup
	for i := range fuzzWorkers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for ctx.Err() == nil && complaints.Load() < 20 {
				body := request(r)
				err := ask(ctx, client, url, body)
				if sent.Add(1); err != nil && ctx.Err() == nil {
					complaints.Add(1)
					t.Errorf("%s: %v\n  asked: %.600q", name, err, body)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%s: %d requests, seed %d", name, sent.Load(), seed)
}

// ask sends a body and judges the answer.
func ask(ctx context.Context, client *http.Client, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return fmt.Errorf("answer of status %d: %w", resp.StatusCode, err)
	case resp.StatusCode >= http.StatusInternalServerError:
		return fmt.Errorf("status %d after %s: %.300s", resp.StatusCode, time.Since(began), answer)
	case len(answer) > 0 && resp.StatusCode == http.StatusOK && !json.Valid(answer):
		return fmt.Errorf("no JSON: %.300q", answer)
	case bytes.Contains(answer, []byte("handler crashed")) || bytes.Contains(answer, []byte("runtime error")) || bytes.Contains(answer, []byte("goroutine ")):
		return fmt.Errorf("it crashed: %.300s", answer)
	}
	return nil
}

// schemathesis tests what the OpenAPI document promises, again and again for d. Its own budget of time does not end a run whose calls
// are held, so each run has so many examples, and the last is cut off. The steps of a transaction are left out: a stream that waits for
// a transaction that nobody sent takes a minute for each example.
func schemathesis(ctx context.Context, t *testing.T, program, url string, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for run := 1; ctx.Err() == nil; run++ {
		cmd := exec.CommandContext(ctx, program, "run", url+"/openapi.json", "--url", url, "--workers", "1", "--checks", "not_a_server_error",
			"--max-examples", "50", "--seed", fmt.Sprint(run), "--exclude-path", "/v1/transactions/{hash}/events",
			"--request-timeout", "60", "--continue-on-failure", "--no-color")
		cmd.Dir = t.TempDir()
		out, err := cmd.CombinedOutput()
		switch {
		case ctx.Err() != nil:
			t.Logf("schemathesis, run %d, cut off:\n%s", run, out)
		case err != nil:
			t.Errorf("schemathesis, run %d: %v\n%s", run, err, out)
			return
		default:
			t.Logf("schemathesis, run %d: passed", run)
		}
	}
}
