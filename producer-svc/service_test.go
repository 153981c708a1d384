package producer

import (
	"blindseq/producer-svc/internal/pool"
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blindseq/kit/config"
	"blindseq/kit/rediskeys"
	"blindseq/kit/redistest"
	"blindseq/producer-svc/devaccounts"
	"blindseq/producer-svc/internal/fakes"
	"blindseq/producer-svc/internal/loop"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// node is a whole producer, among a Redis and a fake of the proposer, the monitor and the DSN.
type node struct {
	*Service
	cfg      Config
	order    *fakes.Server
	redis    redistest.Redis
	follows  bool         // it does not lead when it starts
	halts    bool         // production halts when it starts: it does not get ready
	logger   *slog.Logger // nil for none
	producer blueprintv1.ProducerServiceClient
	admin    blueprintv1.AdminServiceClient
	eth      *ethclient.Client
	stop     func()
}

func testConfig(t *testing.T, r redistest.Redis, order *fakes.Server) Config {
	t.Helper()
	return testConfigAt(t, r.URL, order)
}

func testConfigAt(t *testing.T, redis string, order *fakes.Server) Config {
	t.Helper()
	var cfg Config
	if err := config.Defaults(&cfg); err != nil {
		t.Fatal(err)
	}
	cfg.GRPCAddress, cfg.HTTPAddress, cfg.RPCAddress = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.RedisURL, cfg.DataDir, cfg.TimeBetweenBlocks = redis, filepath.Join(t.TempDir(), "data"), "none"
	cfg.Proposer, cfg.Monitor, cfg.DevGenesis = order.Addr, order.Addr, true
	return cfg
}

// startNode starts a producer and waits until it is ready.
func startNode(t *testing.T, change func(*Config), script ...func(*fakes.Order)) *node {
	t.Helper()
	order, err := fakes.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(order.Stop)
	for _, prepare := range script {
		prepare(order.Order)
	}
	redis := redistest.Mini(t)
	cfg := testConfig(t, redis, order)
	if change != nil {
		change(&cfg)
	}
	n := &node{cfg: cfg, order: order, redis: redis}
	n.start(t)
	return n
}

func (n *node) start(t *testing.T) {
	t.Helper()
	var err error
	if n.logger == nil {
		n.logger = slog.New(slog.DiscardHandler)
	}
	if n.Service, err = New(t.Context(), n.cfg, n.logger); err != nil {
		t.Fatal(err)
	}
	if !n.follows {
		if err := n.order.Follow(n.grpc.Addr()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	conn, err := grpc.NewClient(n.grpc.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	n.producer, n.admin = blueprintv1.NewProducerServiceClient(conn), blueprintv1.NewAdminServiceClient(conn)
	fakes.WaitFor(t, func() bool { return len(n.Health.Ready()) == 0 || n.halts && n.guard.Reason() != "" })
	if n.eth, err = ethclient.Dial("http://" + n.rpc.Addr()); err != nil {
		t.Fatal(err)
	}
	stopped := false
	n.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel() // with calls open, as it comes
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
		n.eth.Close()
		conn.Close()
	}
	t.Cleanup(n.stop)
}

func (n *node) produce(t *testing.T, r *blueprintv1.ProduceBlockRequest) *blueprintv1.ProducedBlock {
	t.Helper()
	answer, err := n.producer.ProduceBlock(t.Context(), r)
	if err != nil || answer.GetBlock() == nil {
		t.Fatalf("got %v, %v", answer, err)
	}
	return answer.GetBlock()
}

// wallet signs transfers of one account, or calls with data.
type wallet struct {
	key   *ecdsa.PrivateKey
	nonce uint64
}

func newWallet(t *testing.T, i int) *wallet {
	t.Helper()
	accounts, err := devaccounts.All()
	if err != nil {
		t.Fatal(err)
	}
	return &wallet{key: accounts[i].Key}
}

func (w *wallet) transaction(t *testing.T, data []byte) *types.Transaction {
	t.Helper()
	tx, err := types.SignNewTx(w.key, types.LatestSignerForChainID(big.NewInt(1337)), &types.DynamicFeeTx{
		ChainID: big.NewInt(1337), Nonce: w.nonce, To: &common.Address{1}, Value: big.NewInt(1), Data: data,
		Gas: 21_000 + 40*uint64(len(data)), GasFeeCap: big.NewInt(100e9), GasTipCap: big.NewInt(1e9),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.nonce++
	return tx
}

func raw(t *testing.T, tx *types.Transaction) []byte {
	t.Helper()
	b, err := tx.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func code(err error) codes.Code { return status.Code(err) }

func TestATransactionGetsItsReceiptAtOnce(t *testing.T) {
	n := startNode(t, func(c *Config) { c.TimeBetweenBlocks = "1h" })
	for range 5 {
		w := newWallet(t, 0)
		w.nonce, _ = n.eth.PendingNonceAt(t.Context(), common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"))
		tx := w.transaction(t, nil)
		if err := n.eth.SendTransaction(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
		fakes.WaitFor(t, func() bool {
			receipt, err := n.eth.TransactionReceipt(t.Context(), tx.Hash())
			return err == nil && receipt.Status == 1
		})
	}
}

func TestWithoutTimeBetweenBlocksATransactionWaitsForProduceBlock(t *testing.T) {
	n := startNode(t, nil)
	tx := newWallet(t, 0).transaction(t, nil)
	if err := n.eth.SendTransaction(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	fakes.WaitFor(t, n.proposable)
	if n.order.Calls("request") != 0 {
		t.Fatal("a request was made")
	}
	if block := n.produce(t, &blueprintv1.ProduceBlockRequest{}); block.GetNumber() != 1 || block.GetTransactions() != 1 {
		t.Fatalf("got %v", block)
	}
}

func TestTimestampsOfProduceBlock(t *testing.T) {
	n := startNode(t, nil)
	now := time.Now().Unix()
	at := func(s int64) *blueprintv1.ProduceBlockRequest {
		return &blueprintv1.ProduceBlockRequest{Timestamp: &timestamppb.Timestamp{Seconds: s}}
	}
	for range 2 { // the second has the head's
		if block := n.produce(t, at(now)); block.GetTimestamp().GetSeconds() != now {
			t.Fatalf("got %v", block)
		}
	}
	for name, s := range map[string]int64{"decreasing": now - 1, "far future": now + 3600} {
		if _, err := n.producer.ProduceBlock(t.Context(), at(s)); code(err) != codes.InvalidArgument {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if head := n.ledger.Head(); head.Number != 2 {
		t.Fatalf("refused input changed the head: %d", head.Number)
	}
}

func TestDelayedTransactionsComeFirstAndLeaveOnlyWhenApplied(t *testing.T) {
	n := startNode(t, nil)
	delayedTx, plainTx := newWallet(t, 1).transaction(t, nil), newWallet(t, 0).transaction(t, nil)
	for range 2 { // a repeat is a success
		if answer, err := n.admin.AddDelayedTransaction(t.Context(), &blueprintv1.AddDelayedTransactionRequest{Raw: raw(t, delayedTx)}); err != nil || common.Hash(answer.GetHash()) != delayedTx.Hash() {
			t.Fatalf("got %v, %v", answer, err)
		}
	}
	if err := n.eth.SendTransaction(t.Context(), plainTx); err != nil {
		t.Fatal(err)
	}
	fakes.WaitFor(t, func() bool { pending, _ := n.disk.Chain.PoolSize(); return pending == 1 })
	waiting := func() uint32 {
		s, err := n.producer.GetStatus(t.Context(), &blueprintv1.GetStatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return s.GetDelayedTransactions()
	}
	if block := n.produce(t, &blueprintv1.ProduceBlockRequest{WithDelayedTransactions: proto.Bool(false)}); block.GetTransactions() != 1 || waiting() != 1 {
		t.Fatalf("without delayed ones: %v, %d wait", block, waiting())
	}
	if block := n.produce(t, &blueprintv1.ProduceBlockRequest{}); block.GetTransactions() != 1 || waiting() != 0 {
		t.Fatalf("with delayed ones: %v, %d wait", block, waiting())
	}
	if receipt, err := n.eth.TransactionReceipt(t.Context(), delayedTx.Hash()); err != nil || receipt.BlockNumber.Uint64() != 2 {
		t.Fatalf("receipt %v, %v", receipt, err)
	}
	_, err := n.admin.AddDelayedTransaction(t.Context(), &blueprintv1.AddDelayedTransactionRequest{Raw: raw(t, delayedTx)})
	if code(err) != codes.AlreadyExists {
		t.Fatalf("in a block already: %v", err)
	}
	for name, bad := range map[string][]byte{"nothing": nil, "no transaction": {1, 2, 3}, "too large": make([]byte, pool.MaxDelayedBytes+1)} {
		if _, err := n.admin.AddDelayedTransaction(t.Context(), &blueprintv1.AddDelayedTransactionRequest{Raw: bad}); code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheLargestAllowedTransactionIsIncludedAndALargerRefused(t *testing.T) {
	n := startNode(t, nil)
	const largest = 128 << 10
	w := newWallet(t, 0)
	overhead := len(raw(t, w.transaction(t, make([]byte, 100_000)))) - 100_000
	for _, size := range []int{largest + 1, largest} {
		w.nonce = 0
		tx := w.transaction(t, make([]byte, size-overhead))
		if got := len(raw(t, tx)); got != size {
			t.Fatalf("made %d bytes, want %d", got, size)
		}
		err := n.eth.SendTransaction(t.Context(), tx)
		if size > largest {
			if err == nil || !strings.Contains(err.Error(), "oversized") {
				t.Fatalf("%d bytes: got %v", size, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		fakes.WaitFor(t, n.proposable)
		n.produce(t, &blueprintv1.ProduceBlockRequest{})
		if receipt, err := n.eth.TransactionReceipt(t.Context(), tx.Hash()); err != nil || receipt.Status != 1 {
			t.Fatalf("%v, %v", receipt, err)
		}
	}
}

func TestALockedPoolMakesNoBlockAndSurvivesARestart(t *testing.T) {
	n := startNode(t, func(c *Config) { c.TimeBetweenBlocks = "1h" })
	if _, err := n.admin.LockPool(t.Context(), &blueprintv1.LockPoolRequest{}); err != nil {
		t.Fatal(err)
	}
	tx := newWallet(t, 0).transaction(t, nil)
	if err := n.eth.SendTransaction(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	n.stop()
	n.start(t)
	answer, err := n.producer.ProduceBlock(t.Context(), &blueprintv1.ProduceBlockRequest{})
	if err != nil || answer.GetNoPreblock().GetReason() != preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_LOCKED {
		t.Fatalf("got %v, %v", answer, err)
	}
	if _, err := n.admin.UnlockPool(t.Context(), &blueprintv1.UnlockPoolRequest{}); err != nil {
		t.Fatal(err)
	}
	fakes.WaitFor(t, func() bool { // the transaction of before the restart is still there, and the loop wakes
		_, err := n.eth.TransactionReceipt(t.Context(), tx.Hash())
		return err == nil
	})
}

func TestARestartGoesOnFromTheSameHead(t *testing.T) {
	n := startNode(t, nil)
	first := n.produce(t, &blueprintv1.ProduceBlockRequest{RequestId: "a"})
	n.produce(t, &blueprintv1.ProduceBlockRequest{RequestId: "b"})
	head := n.ledger.Head()
	n.stop()
	if err := os.RemoveAll(filepath.Join(n.cfg.DataDir, "chain")); err != nil { // all of geth's is lost; the log has it
		t.Fatal(err)
	}
	n.start(t)
	if n.ledger.Head() != head {
		t.Fatalf("head %+v, was %+v", n.ledger.Head(), head)
	}
	if again := n.produce(t, &blueprintv1.ProduceBlockRequest{RequestId: "a"}); !proto.Equal(again, first) {
		t.Fatalf("a repeat gave %v, not %v", again, first)
	}
	if third := n.produce(t, &blueprintv1.ProduceBlockRequest{RequestId: "c"}); third.GetNumber() != 3 {
		t.Fatalf("got %v", third)
	}
}

func TestTheFeedIsServedOverGRPCAndHTTP(t *testing.T) {
	n := startNode(t, nil)
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	stream, err := n.producer.StreamBlueprints(t.Context(), &blueprintv1.StreamBlueprintsRequest{FromNumber: 1})
	if err != nil {
		t.Fatal(err)
	}
	for want := uint64(1); want <= 2; want++ {
		item, err := stream.Recv()
		if err != nil || item.GetBlueprint().GetNumber() != want || len(item.GetBlueprint().GetChunks()) != 1 {
			t.Fatalf("got %v, %v", item, err)
		}
		if want == 1 {
			n.produce(t, &blueprintv1.ProduceBlockRequest{})
		}
	}
	response, err := http.Get("http://" + n.rpc.Addr() + "/evm/blueprint/2")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != 200 || !bytes.Contains(body, []byte(`"number":"2"`)) {
		t.Fatalf("got %s, %v", body, err)
	}
	for name, c := range map[string]struct {
		from uint64
		want codes.Code
	}{"zero": {0, codes.InvalidArgument}, "ahead": {99, codes.OutOfRange}} {
		stream, err := n.producer.StreamBlueprints(t.Context(), &blueprintv1.StreamBlueprintsRequest{FromNumber: c.from})
		if err == nil {
			_, err = stream.Recv()
		}
		if code(err) != c.want {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := n.producer.GetBlueprint(t.Context(), &blueprintv1.GetBlueprintRequest{Number: 3}); code(err) != codes.NotFound {
		t.Errorf("not applied yet: got %v", err)
	}
}

func TestALostKeyIsNotReplacedSilently(t *testing.T) {
	n := startNode(t, nil)
	n.produce(t, &blueprintv1.ProduceBlockRequest{})
	n.stop()
	if err := os.Remove(filepath.Join(n.cfg.DataDir, "sequencer.key")); err != nil {
		t.Fatal(err)
	}
	if s, err := New(t.Context(), n.cfg, slog.New(slog.DiscardHandler)); err == nil {
		_ = s.Close()
		t.Fatal("started with another key")
	}
}

func TestTheDeploymentIsNotNamedAfterAnotherChain(t *testing.T) {
	order, err := fakes.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(order.Stop)
	cfg := testConfig(t, redistest.Mini(t), order)
	for name, want := range map[string]error{"chain-7": rediskeys.ErrDeployment, "a:b": rediskeys.ErrDeployment, "chain-1337": nil, "prod": nil} {
		cfg.Deployment = name
		s, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			_ = s.Close()
		}
	}
}

func TestTheOldNameOfBlocksOnDemandIsKept(t *testing.T) {
	for value, want := range map[string]loop.Pace{
		"none": {}, "demand": {}, "transactions": {Transactions: true}, "5s": {Transactions: true, Between: 5 * time.Second},
	} {
		if pace, err := (&Config{TimeBetweenBlocks: value}).pace(); err != nil || pace != want {
			t.Errorf("%s is %+v, %v", value, pace, err)
		}
	}
}

// TestNoOtherProducerDoesWhatDevelopmentToolsExpect: its methods do not exist there, like any unknown one.
func TestNoOtherProducerDoesWhatDevelopmentToolsExpect(t *testing.T) {
	n := startNode(t, nil)
	people, err := devaccounts.All()
	if err != nil {
		t.Fatal(err)
	}
	of := people[0].Address
	for method, params := range map[string][]any{"eth_sendTransaction": {map[string]any{"from": of, "to": of}}, "eth_sign": {of, "0x00"}} { // geth's
		if err := n.eth.Client().CallContext(t.Context(), nil, method, params...); err == nil || !strings.Contains(err.Error(), "unknown account") {
			t.Errorf("%s: %v", method, err)
		}
	}
	for _, method := range []string{"personal_sign", "evm_mine", "evm_increaseTime", "hardhat_mine", "anvil_mine", "evm_snapshot"} {
		var e gethrpc.Error
		if err := n.eth.Client().CallContext(t.Context(), nil, method); !errors.As(err, &e) || e.ErrorCode() != -32601 {
			t.Errorf("%s: %v", method, err)
		}
	}
	var accounts []common.Address
	if err := n.eth.Client().CallContext(t.Context(), &accounts, "eth_accounts"); err != nil || len(accounts) != 0 {
		t.Errorf("accounts %v, %v", accounts, err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no time":            func(c *Config) { c.TimeBetweenBlocks = "often" },
		"zero time":          func(c *Config) { c.TimeBetweenBlocks = "0s" },
		"no data":            func(c *Config) { c.DataDir = "" },
		"short lease":        func(c *Config) { c.LeaseTTL = 0 },
		"short lock":         func(c *Config) { c.LockTTL = time.Millisecond },
		"negative drift":     func(c *Config) { c.MaxClockDrift = -1 },
		"nobody may wait":    func(c *Config) { c.MaxWaiting = 0 },
		"no event timeout":   func(c *Config) { c.EventTimeout = 0 },
		"short rollup":       func(c *Config) { c.RollupAddress = "0x00" },
		"key without a file": func(c *Config) { c.CreateSequencerKey = true },
		"half of TLS":        func(c *Config) { c.TLS.Cert = "x" },
	} {
		var c Config
		if err := config.Defaults(&c); err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("defaults: %v", err)
		}
		if change(&c); c.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
