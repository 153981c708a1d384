// Package fakes has scriptable stand-ins, for tests, of what is behind the gateway: the services over real gRPC, and
// a producer's JSON-RPC over HTTP and WebSocket.
package fakes

import (
	"context"
	"net"
	"sync"
	"testing"

	"blindseq/api-gw/internal/gateway"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"
	"blindseq/seal"

	"github.com/ethereum/go-ethereum/rlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Services are the fakes of producer, proposer and monitor, served at one address.
type Services struct {
	Addr string
	// Followed has a value for each FollowTransaction that waits for the next Advance.
	Followed chan struct{}

	mu       sync.Mutex
	calls    []*blueprintv1.ProduceBlockRequest
	repeats  map[string]*blueprintv1.ProduceBlockResponse
	produce  func(context.Context, *blueprintv1.ProduceBlockRequest) (*blueprintv1.ProduceBlockResponse, error)
	fail     map[string]error
	asked    map[string]int
	locked   bool
	delayed  [][]byte
	head     uint64
	view     *preblockv1.GetStatusResponse
	advanced chan struct{}
	ends     chan error
	server   *grpc.Server
}

// Start serves the fakes until the test ends.
func Start(t testing.TB) *Services {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Services{
		Addr: l.Addr().String(), server: grpc.NewServer(), fail: map[string]error{}, asked: map[string]int{}, advanced: make(chan struct{}),
		Followed: make(chan struct{}, 16), ends: make(chan error),
		repeats: map[string]*blueprintv1.ProduceBlockResponse{},
		view:    &preblockv1.GetStatusResponse{DsnConnected: true, LastPreblockNumber: 8, Halted: "two contents for 8"},
	}
	blueprintv1.RegisterProducerServiceServer(s.server, producer{Services: s})
	blueprintv1.RegisterAdminServiceServer(s.server, admin{Services: s})
	proposalv1.RegisterProposerServiceServer(s.server, proposer{Services: s})
	preblockv1.RegisterMonitorServiceServer(s.server, monitor{Services: s})
	done := make(chan struct{})
	go func() { defer close(done); _ = s.server.Serve(l) }()
	t.Cleanup(func() { s.server.Stop(); <-done })
	return s
}

// Backends are connections to the fakes.
func (s *Services) Backends(t testing.TB) gateway.Backends {
	t.Helper()
	conn, err := grpc.NewClient(s.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return gateway.Backends{
		Producer: blueprintv1.NewProducerServiceClient(conn), Admin: blueprintv1.NewAdminServiceClient(conn),
		Proposer: proposalv1.NewProposerServiceClient(conn), Monitor: preblockv1.NewMonitorServiceClient(conn),
	}
}

// Stop ends the fakes, as a crash would.
func (s *Services) Stop() { s.server.Stop() }

// Fail makes every call of a part ("producer", "proposer", "monitor") end in err.
func (s *Services) Fail(part string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[part] = err
}

// OnceFollowed ends one FollowTransaction that waits for the next Advance.
func (s *Services) OnceFollowed(err error) { s.ends <- err }

// View is what the monitor says of itself from now on.
func (s *Services) View(v *preblockv1.GetStatusResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view = v
}

// OnProduce replaces what ProduceBlock does.
func (s *Services) OnProduce(f func(context.Context, *blueprintv1.ProduceBlockRequest) (*blueprintv1.ProduceBlockResponse, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.produce = f
}

// Calls are the ProduceBlock requests that came.
func (s *Services) Calls() []*blueprintv1.ProduceBlockRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*blueprintv1.ProduceBlockRequest(nil), s.calls...)
}

// Locked says whether the pool was locked.
func (s *Services) Locked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.locked
}

// Delayed are the delayed transactions that were added.
func (s *Services) Delayed() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.delayed
}

// Advance makes n more blueprints.
func (s *Services) Advance(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head += n
	close(s.advanced)
	s.advanced = make(chan struct{})
}

// Asked is how often a part was called.
func (s *Services) Asked(part string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[part]
}

func (s *Services) failure(part string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[part]++
	return s.fail[part]
}

func (s *Services) next() (head uint64, advanced <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head, s.advanced
}

// Hash is 32 bytes of b.
func Hash(b byte) []byte {
	h := make([]byte, 32)
	for i := range h {
		h[i] = b
	}
	return h
}

// Blueprint is the fakes' blueprint of a number.
func Blueprint(number uint64) *blueprintv1.Blueprint {
	return &blueprintv1.Blueprint{
		Number: number, ParentHash: Hash(byte(number - 1)), BlockHash: Hash(byte(number)),
		Timestamp:           &timestamppb.Timestamp{Seconds: 1_700_000_000},
		DelayedTransactions: []*blueprintv1.DelayedTransaction{{Hash: Hash(0xdd), Raw: []byte("delayed")}},
		Transactions:        [][]byte{[]byte("hello")},
		Skipped:             []*blueprintv1.SkippedTransaction{{Hash: Hash(0xee), Reason: "nonce too low", BarredUntil: 9}},
		Executed:            []*blueprintv1.ExecutedTransaction{{Raw: []byte("hello")}},
		Chunks:              [][]byte{{0xc0}}, RequestId: "r1",
	}
}

type producer struct {
	blueprintv1.UnimplementedProducerServiceServer
	*Services
}

func (p producer) ProduceBlock(ctx context.Context, r *blueprintv1.ProduceBlockRequest) (*blueprintv1.ProduceBlockResponse, error) {
	if err := p.failure("producer"); err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.calls = append(p.calls, r)
	custom := p.produce
	p.mu.Unlock()
	if custom != nil {
		return custom(ctx, r)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if before, ok := p.repeats[r.RequestId]; ok {
		return before, nil
	}
	res := &blueprintv1.ProduceBlockResponse{RequestId: r.RequestId}
	if p.locked {
		res.Result = &blueprintv1.ProduceBlockResponse_NoPreblock{NoPreblock: &preblockv1.NoPreblock{
			RequestId: r.RequestId, Reason: preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_LOCKED,
		}}
	} else {
		p.head++
		res.Result = &blueprintv1.ProduceBlockResponse_Block{Block: &blueprintv1.ProducedBlock{
			Number: p.head, Hash: Hash(byte(p.head)), Timestamp: &timestamppb.Timestamp{Seconds: 1_700_000_000}, Transactions: 2,
		}}
	}
	p.repeats[r.RequestId] = res
	return res, nil
}

func (p producer) GetBlueprint(_ context.Context, r *blueprintv1.GetBlueprintRequest) (*blueprintv1.GetBlueprintResponse, error) {
	if err := p.failure("producer"); err != nil {
		return nil, err
	}
	if head, _ := p.next(); r.Number > head {
		return nil, status.Errorf(codes.NotFound, "blueprint %d is not applied yet", r.Number)
	}
	return &blueprintv1.GetBlueprintResponse{Blueprint: Blueprint(r.Number)}, nil
}

func (p producer) StreamBlueprints(r *blueprintv1.StreamBlueprintsRequest, out blueprintv1.ProducerService_StreamBlueprintsServer) error {
	if err := p.failure("producer"); err != nil {
		return err
	}
	if head, _ := p.next(); r.FromNumber > head+1 {
		return status.Errorf(codes.OutOfRange, "the next blueprint is %d", head+1)
	}
	for number := r.FromNumber; ; {
		head, advanced := p.next()
		for ; number <= head; number++ {
			if err := out.Send(&blueprintv1.StreamBlueprintsResponse{Blueprint: Blueprint(number)}); err != nil {
				return err
			}
		}
		if err := p.failure("producer"); err != nil {
			return err
		}
		select {
		case <-advanced:
		case <-out.Context().Done():
			return out.Context().Err()
		}
	}
}

// FollowTransaction tells two steps, and two more at the next Advance, unless OnceFollowed ends it.
func (p producer) FollowTransaction(r *blueprintv1.FollowTransactionRequest, out grpc.ServerStreamingServer[blueprintv1.FollowTransactionResponse]) error {
	if err := p.failure("producer"); err != nil {
		return err
	}
	head, advanced := p.next()
	at := Preblock(head)
	steps := []*blueprintv1.TransactionStep{
		{Kind: blueprintv1.StepKind_STEP_KIND_SEALED},
		{Kind: blueprintv1.StepKind_STEP_KIND_FINAL, Number: head, Position: 1, Final: &preblockv1.Final{
			Content: at.GetContent(), ContentHash: at.GetContentHash(), Certificate: at.GetCertificate()}},
		{Kind: blueprintv1.StepKind_STEP_KIND_OPENED, Number: head, TransactionHash: r.GetHash()},
		{Kind: blueprintv1.StepKind_STEP_KIND_EXECUTED, Number: head, TransactionHash: r.GetHash(), Index: 7},
	}
	for i, one := range steps {
		if i == 2 {
			p.Followed <- struct{}{}
			select {
			case <-advanced:
			case err := <-p.ends:
				return err
			case <-out.Context().Done():
				return out.Context().Err()
			}
		}
		if err := out.Send(&blueprintv1.FollowTransactionResponse{Step: one}); err != nil {
			return err
		}
	}
	return nil
}

func (p producer) GetStatus(context.Context, *blueprintv1.GetStatusRequest) (*blueprintv1.GetStatusResponse, error) {
	if err := p.failure("producer"); err != nil {
		return nil, err
	}
	return &blueprintv1.GetStatusResponse{
		Leader: true, ChainId: 1337, HeadNumber: 7, HeadHash: Hash(7), HeadTimestamp: &timestamppb.Timestamp{Seconds: 1_700_000_000},
		PoolLocked: true, PoolPending: 3, PoolQueued: 4, DelayedTransactions: 5, LockHolder: "producer-0", LockToken: 99,
		Halted: "two contents for 8",
	}, nil
}

type admin struct {
	blueprintv1.UnimplementedAdminServiceServer
	*Services
}

func (a admin) LockPool(context.Context, *blueprintv1.LockPoolRequest) (*blueprintv1.LockPoolResponse, error) {
	return &blueprintv1.LockPoolResponse{}, a.setLocked(true)
}

func (a admin) UnlockPool(context.Context, *blueprintv1.UnlockPoolRequest) (*blueprintv1.UnlockPoolResponse, error) {
	return &blueprintv1.UnlockPoolResponse{}, a.setLocked(false)
}

func (a admin) setLocked(locked bool) error {
	if err := a.failure("producer"); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.locked = locked
	return nil
}

func (a admin) DropTransactions(_ context.Context, r *blueprintv1.DropTransactionsRequest) (*blueprintv1.DropTransactionsResponse, error) {
	if err := a.failure("producer"); err != nil {
		return nil, err
	}
	return &blueprintv1.DropTransactionsResponse{Dropped: uint32(len(r.GetHash())/32 + len(r.GetSender())/20)}, nil
}

func (a admin) AddDelayedTransaction(_ context.Context, r *blueprintv1.AddDelayedTransactionRequest) (*blueprintv1.AddDelayedTransactionResponse, error) {
	if err := a.failure("producer"); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.delayed = append(a.delayed, r.Raw)
	return &blueprintv1.AddDelayedTransactionResponse{Hash: Hash(1)}, nil
}

type proposer struct {
	proposalv1.UnimplementedProposerServiceServer
	*Services
}

func (p proposer) ListProposals(_ context.Context, r *proposalv1.ListProposalsRequest) (*proposalv1.ListProposalsResponse, error) {
	if err := p.failure("proposer"); err != nil {
		return nil, err
	}
	return &proposalv1.ListProposalsResponse{NextPageToken: r.PageToken + "+", Requests: []*proposalv1.Request{
		{RequestId: "b", State: proposalv1.RequestState_REQUEST_STATE_IN_FLIGHT, Number: 8, Attempt: r.Limit, ContentHash: Hash(3)},
		{
			RequestId: "a", State: proposalv1.RequestState_REQUEST_STATE_PROCESSED,
			NoPreblockReason: preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_EMPTY,
		},
	}}, nil
}

func (p proposer) GetStatus(context.Context, *proposalv1.GetStatusRequest) (*proposalv1.GetStatusResponse, error) {
	if err := p.failure("proposer"); err != nil {
		return nil, err
	}
	return &proposalv1.GetStatusResponse{Queued: 2, Active: true, InFlight: &proposalv1.Request{
		RequestId: "b", State: proposalv1.RequestState_REQUEST_STATE_IN_FLIGHT, Number: 8, Attempt: 1,
	}}, nil
}

type monitor struct {
	preblockv1.UnimplementedMonitorServiceServer
	*Services
}

func (m monitor) GetPreblock(_ context.Context, r *preblockv1.GetPreblockRequest) (*preblockv1.GetPreblockResponse, error) {
	if err := m.failure("monitor"); err != nil {
		return nil, err
	}
	if r.Number > 9 {
		return nil, status.Errorf(codes.NotFound, "preblock %d is not fixed yet", r.Number)
	}
	return &preblockv1.GetPreblockResponse{Preblock: Preblock(r.Number)}, nil
}

// Preblock is the fakes' preblock of a number: two sealed transactions of which one was opened, and a plain one.
func Preblock(number uint64) *preblockv1.Preblock {
	return &preblockv1.Preblock{
		Content:     &preblockv1.Content{Number: number, PreviousBlockHash: Hash(2), BaseFee: 7, Transactions: [][]byte{Sealed(0), Sealed(1), {0xab}}},
		ContentHash: Hash(4), RequestId: "r1", Attempt: 2,
		Certificate: &preblockv1.Certificate{
			ChainId: 1337, CommitteeHash: Hash(5), Number: number, PreviousPayloadHash: Hash(6), ContentHash: Hash(4),
			Attestations: []*preblockv1.Attestation{{Authority: 2, Signature: []byte{1, 0xff}}},
			View:         1, Locks: []*preblockv1.Attestation{{Authority: 3, Signature: []byte{0, 0xfe}}},
		},
		Outcomes: []*preblockv1.Outcome{
			{Index: 0, Result: &preblockv1.Outcome_Opened{Opened: &preblockv1.Opened{Seed: Hash(7), Transaction: []byte("hello")}}},
			{Index: 1, Result: &preblockv1.Outcome_Unopenable{Unopenable: &preblockv1.Unopenable{
				Reason: preblockv1.UnopenableReason_UNOPENABLE_REASON_PADDING,
				Shares: []*preblockv1.ProvenShare{{Authority: 3, Share: Hash(1), Proof: []byte{7}}},
			}}},
		},
	}
}

// Sealed has the encoding of a sealed transaction, of submitter 0x09…09; nothing else of it is right.
func Sealed(seq uint64) []byte {
	const padded, overhead, signature = 256, 48, 65
	fields := []any{uint64(1337), Hash(8)[:8], Hash(9)[:20], seq, uint64(21_000), uint64(0), uint64(50)}
	for range 5 {
		fields = append(fields, Hash(10))
	}
	body, err := rlp.EncodeToBytes(append(fields, make([]byte, padded+overhead), make([]byte, signature)))
	if err != nil {
		panic(err)
	}
	return append([]byte{seal.Type}, body...)
}

func (m monitor) GetStatus(context.Context, *preblockv1.GetStatusRequest) (*preblockv1.GetStatusResponse, error) {
	if err := m.failure("monitor"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return proto.CloneOf(m.view), nil
}
