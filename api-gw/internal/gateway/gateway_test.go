package gateway_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"blindseq/api-gw/internal/fakes"
	"blindseq/api-gw/internal/gateway"
	"blindseq/api-gw/internal/idempotency"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func start(t *testing.T) (*gateway.Server, *fakes.Services) {
	t.Helper()
	f := fakes.Start(t)
	return gateway.New(f.Backends(t), gateway.Timeouts{Produce: 5 * time.Second, Call: 2 * time.Second, Status: 2 * time.Second}, gateway.Lines{}, slog.New(slog.DiscardHandler)), f
}

func withKey(ctx context.Context, keys ...string) context.Context {
	return metadata.NewIncomingContext(ctx, metadata.MD{"idempotency-key": keys})
}

func TestProduceBlockCutsFractionsAndCarriesTheKey(t *testing.T) {
	s, f := start(t)
	no := false
	res, err := s.ProduceBlock(withKey(t.Context(), "abc-1"), &gatewayv1.ProduceBlockRequest{
		Timestamp: &timestamppb.Timestamp{Seconds: 5, Nanos: 999}, WithDelayedTransactions: &no,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &blueprintv1.ProduceBlockRequest{RequestId: "abc-1", Timestamp: &timestamppb.Timestamp{Seconds: 5}, WithDelayedTransactions: &no}
	if got := f.Calls()[0]; !proto.Equal(got, want) {
		t.Errorf("asked %v, want %v", got, want)
	}
	if b := res.GetBlock(); res.RequestId != "abc-1" || b.GetNumber() != 1 || b.GetHash() != "0x"+strings.Repeat("01", 32) || b.GetTransactions() != 2 {
		t.Errorf("got %v", res)
	}
}

func TestARepeatedKeyMakesNoSecondBlock(t *testing.T) {
	s, _ := start(t)
	first, err := s.ProduceBlock(withKey(t.Context(), "k"), &gatewayv1.ProduceBlockRequest{})
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.ProduceBlock(withKey(t.Context(), "k"), &gatewayv1.ProduceBlockRequest{})
	if err != nil || !proto.Equal(first, again) {
		t.Errorf("got %v, %v; want %v", again, err, first)
	}
	other, err := s.ProduceBlock(t.Context(), &gatewayv1.ProduceBlockRequest{})
	if err != nil || other.GetBlock().GetNumber() != 2 || other.RequestId == "" || other.RequestId == "k" {
		t.Errorf("without a key: got %v, %v", other, err)
	}
}

func TestAKeyIsBoundToItsBody(t *testing.T) {
	f := fakes.Start(t)
	b, bodies := f.Backends(t), map[string]string{}
	b.Bind = func(_ context.Context, key, body string) error {
		if first, ok := bodies[key]; ok && first != body {
			return idempotency.ErrOtherBody
		}
		bodies[key] = body
		return nil
	}
	s := gateway.New(b, gateway.Timeouts{Produce: 5 * time.Second, Call: time.Second, Status: time.Second}, gateway.Lines{}, slog.New(slog.DiscardHandler))
	yes, no := true, false
	at := func(seconds int64, nanos int32) *timestamppb.Timestamp {
		return &timestamppb.Timestamp{Seconds: seconds, Nanos: nanos}
	}
	for _, same := range []*gatewayv1.ProduceBlockRequest{{Timestamp: at(5, 0)}, {Timestamp: at(5, 9), WithDelayedTransactions: &yes}} {
		if _, err := s.ProduceBlock(withKey(t.Context(), "k"), same); err != nil {
			t.Errorf("%v: %v", same, err)
		}
	}
	for _, other := range []*gatewayv1.ProduceBlockRequest{{}, {Timestamp: at(6, 0)}, {Timestamp: at(5, 0), WithDelayedTransactions: &no}} {
		if _, err := s.ProduceBlock(withKey(t.Context(), "k"), other); status.Code(err) != codes.AlreadyExists {
			t.Errorf("%v: %v", other, err)
		}
		if _, err := s.ProduceBlock(t.Context(), other); err != nil {
			t.Errorf("%v without a key: %v", other, err)
		}
	}
	if len(bodies) != 1 {
		t.Errorf("bound %v", bodies)
	}
}

func TestALockedPoolIsNoBlockWithItsReason(t *testing.T) {
	s, f := start(t)
	if _, err := s.LockPool(t.Context(), nil); err != nil || !f.Locked() {
		t.Fatal(err)
	}
	res, err := s.ProduceBlock(t.Context(), &gatewayv1.ProduceBlockRequest{})
	if err != nil || res.GetNoBlock().GetReason() != "pool_locked" {
		t.Errorf("got %v, %v", res, err)
	}
	if _, err := s.UnlockPool(t.Context(), nil); err != nil || f.Locked() {
		t.Fatal(err)
	}
}

func TestTransactionsAreDroppedByHashAndSender(t *testing.T) {
	s, _ := start(t)
	hash, sender := "0x"+strings.Repeat("ab", 32), "0x"+strings.Repeat("cd", 20)
	for _, c := range []struct {
		hash, sender string
		dropped      uint32
		ok           bool
	}{{hash, "", 1, true}, {"", sender, 1, true}, {hash, sender, 2, true}, {"", "", 0, false}, {sender, "", 0, false}, {"", hash, 0, false}, {"ab", "", 0, false}} {
		res, err := s.DropTransactions(t.Context(), &gatewayv1.DropTransactionsRequest{Hash: c.hash, Sender: c.sender})
		if c.ok != (err == nil) || res.GetDropped() != c.dropped || !c.ok && status.Code(err) != codes.InvalidArgument {
			t.Errorf("%+v: %v, %v", c, res, err)
		}
	}
}

func TestRefusedInputNamesItsFieldAndReachesNobody(t *testing.T) {
	s, f := start(t)
	_, badKey := s.ProduceBlock(withKey(t.Context(), "no spaces"), &gatewayv1.ProduceBlockRequest{})
	_, emptyKey := s.ProduceBlock(withKey(t.Context(), ""), &gatewayv1.ProduceBlockRequest{})
	_, twoKeys := s.ProduceBlock(withKey(t.Context(), "a", "b"), &gatewayv1.ProduceBlockRequest{})
	_, badTime := s.ProduceBlock(t.Context(), &gatewayv1.ProduceBlockRequest{Timestamp: &timestamppb.Timestamp{Seconds: 1 << 60}})
	_, zero := s.GetBlueprint(t.Context(), &gatewayv1.GetBlueprintRequest{})
	_, zeroPreblock := s.GetPreblock(t.Context(), &gatewayv1.GetPreblockRequest{})
	refused := map[string]struct {
		err   error
		field string
	}{
		"key": {badKey, "idempotency-key"}, "empty key": {emptyKey, "idempotency-key"}, "two keys": {twoKeys, "idempotency-key"},
		"time": {badTime, "timestamp"}, "blueprint 0": {zero, "number"}, "preblock 0": {zeroPreblock, "number"},
	}
	for _, raw := range []string{"", "0x", "12", "0x123", "0xzz", "0X12"} {
		_, err := s.AddDelayedTransaction(t.Context(), &gatewayv1.AddDelayedTransactionRequest{Raw: raw})
		refused["raw "+raw] = struct {
			err   error
			field string
		}{err, "raw"}
	}
	for name, r := range refused {
		st := status.Convert(r.err)
		var field string
		for _, d := range st.Details() {
			if b, ok := d.(*errdetails.BadRequest); ok {
				field = b.FieldViolations[0].Field
			}
		}
		if st.Code() != codes.InvalidArgument || field != r.field {
			t.Errorf("%s: got %v, field %q", name, r.err, field)
		}
	}
	if len(f.Calls()) != 0 || len(f.Delayed()) != 0 {
		t.Error("refused input reached the producer")
	}
}

func TestMessagesArePublicForms(t *testing.T) {
	s, f := start(t)
	f.Advance(3)
	b, err := s.GetBlueprint(t.Context(), &gatewayv1.GetBlueprintRequest{Number: 3})
	if err != nil {
		t.Fatal(err)
	}
	want := &gatewayv1.Blueprint{
		Number: 3, ParentHash: "0x" + strings.Repeat("02", 32), BlockHash: "0x" + strings.Repeat("03", 32),
		Timestamp:                &timestamppb.Timestamp{Seconds: 1_700_000_000},
		DelayedTransactionHashes: []string{"0x" + strings.Repeat("dd", 32)},
		// keccak256("hello")
		TransactionHashes: []string{"0x1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8"},
		Skipped:           []*gatewayv1.SkippedTransaction{{Hash: "0x" + strings.Repeat("ee", 32), Reason: "nonce too low", BarredUntil: 9}},
		ExecutedHashes:    []string{"0x1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8"},
		Chunks:            []string{"0xc0"}, RequestId: "r1",
	}
	if !proto.Equal(b.Blueprint, want) {
		t.Errorf("got %s", prototext.Format(b))
	}
	p, err := s.GetPreblock(t.Context(), &gatewayv1.GetPreblockRequest{Number: 4})
	if err != nil || p.Preblock.Number != 4 || p.Preblock.Transactions[2] != "0xab" || p.Preblock.ContentHash != "0x"+strings.Repeat("04", 32) {
		t.Errorf("got %v, %v", p, err)
	}
	l, err := s.ListProposals(t.Context(), &gatewayv1.ListProposalsRequest{Limit: 6, PageToken: "p"})
	if err != nil || l.Proposals[0].State != "in_flight" || l.Proposals[0].Attempt != 6 || l.Proposals[0].NoPreblockReason != "" ||
		l.Proposals[1].NoPreblockReason != "pool_empty" || l.NextPageToken != "p+" || l.Proposals[1].ContentHash != "" {
		t.Errorf("got %v, %v", l, err)
	}
}

func TestAPreblockIsShownWithWhatVerifiesIt(t *testing.T) {
	s, _ := start(t)
	got, err := s.GetPreblock(t.Context(), &gatewayv1.GetPreblockRequest{Number: 4})
	if err != nil {
		t.Fatal(err)
	}
	const hello = "0x1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8" // keccak256("hello")
	ids := make([]string, 2)
	for seq := range ids {
		sealed, err := seal.Parse(fakes.Sealed(uint64(seq)))
		if err != nil {
			t.Fatal(err)
		}
		ids[seq] = sealed.ID().String()
	}
	submitter := "0x" + strings.Repeat("09", 20)
	certificate := &gatewayv1.Certificate{
		ChainId: 1337, CommitteeHash: "0x" + strings.Repeat("05", 32), Number: 4, PreviousPayloadHash: "0x" + strings.Repeat("06", 32),
		ContentHash: "0x" + strings.Repeat("04", 32), Attestations: []*gatewayv1.Attestation{{Authority: 2, Signature: "0x01ff"}},
		View: 1, Locks: []*gatewayv1.Attestation{{Authority: 3, Signature: "0x00fe"}},
	}
	if got.GetPreblock().GetBaseFee() != 7 {
		t.Errorf("base fee %d", got.GetPreblock().GetBaseFee())
	}
	if !proto.Equal(got.Preblock.Certificate, certificate) {
		t.Errorf("got %s", prototext.Format(got.Preblock.Certificate))
	}
	for i, want := range []*gatewayv1.Outcome{
		{Index: 0, Id: ids[0], Submitter: submitter, Result: &gatewayv1.Outcome_Opened{Opened: &gatewayv1.Opened{
			Seed: "0x" + strings.Repeat("07", 32), Transaction: "0x68656c6c6f", TransactionHash: hello,
		}}},
		{Index: 1, Id: ids[1], Submitter: submitter, Seq: 1, Result: &gatewayv1.Outcome_Unopenable{Unopenable: &gatewayv1.Unopenable{
			Reason: "padding",
			Shares: []*gatewayv1.ProvenShare{{Authority: 3, Share: "0x" + strings.Repeat("01", 32), Proof: "0x07"}},
		}}},
	} {
		if !proto.Equal(got.Preblock.Outcomes[i], want) {
			t.Errorf("got %s", prototext.Format(got.Preblock.Outcomes[i]))
		}
	}
}

func TestStatusNamesThePartsThatDoNotAnswer(t *testing.T) {
	s, f := start(t)
	full, err := s.GetStatus(t.Context(), nil)
	if err != nil || full.ChainId != 1337 || full.Head.Number != 7 || !full.Pool.Locked || full.Queue.InFlight.Number != 8 ||
		full.Lock.Token != 99 || !full.Dsn.Connected || full.Halted != "two contents for 8" || len(full.Errors) != 0 {
		t.Fatalf("got %v, %v", full, err)
	}
	f.Fail("proposer", status.Error(codes.Unavailable, "redis away"))
	f.Fail("monitor", status.Error(codes.Internal, "oops"))
	part, err := s.GetStatus(t.Context(), nil)
	if err != nil || part.Head == nil || part.Queue != nil || part.Dsn != nil {
		t.Fatalf("got %v, %v", part, err)
	}
	want := []*gatewayv1.PartError{{Part: "proposer", Error: "redis away"}, {Part: "monitor", Error: "oops"}}
	for i, w := range want {
		if len(part.Errors) != len(want) || !proto.Equal(part.Errors[i], w) {
			t.Fatalf("got %v, want %v", part.Errors, want)
		}
	}
}

func TestStatusShowsWhatTheDSNWaitsFor(t *testing.T) {
	s, f := start(t)
	f.View(&preblockv1.GetStatusResponse{DsnConnected: true, LastPreblockNumber: 11, DsnAcceptedNumber: 12, DsnWaiting: "keyholder 3 is missing"})
	got, err := s.GetStatus(t.Context(), nil)
	want := &gatewayv1.Dsn{Connected: true, LastPreblockNumber: 11, AcceptedNumber: 12, Waiting: "keyholder 3 is missing"}
	if err != nil || !proto.Equal(got.GetDsn(), want) {
		t.Fatalf("got %v, %v", got.GetDsn(), err)
	}
}

func TestErrorsKeepTheCodesThatSpeakToTheCallerOnly(t *testing.T) {
	s, f := start(t)
	for from, want := range map[codes.Code]codes.Code{
		codes.InvalidArgument: codes.InvalidArgument, codes.Unavailable: codes.Unavailable, codes.ResourceExhausted: codes.ResourceExhausted,
		codes.Unauthenticated: codes.Internal, codes.PermissionDenied: codes.Internal, codes.Unimplemented: codes.Internal,
	} {
		f.Fail("producer", status.Error(from, "because"))
		_, err := s.ProduceBlock(withKey(t.Context(), "k7"), &gatewayv1.ProduceBlockRequest{})
		if status.Code(err) != want || status.Convert(err).Message() != "produce block (request k7): because" {
			t.Errorf("%s: got %v", from, err)
		}
	}
}

func TestAProduceBlockThatTakesTooLongEnds(t *testing.T) {
	f := fakes.Start(t)
	s := gateway.New(f.Backends(t), gateway.Timeouts{Produce: 50 * time.Millisecond, Call: time.Second, Status: time.Second}, gateway.Lines{}, slog.New(slog.DiscardHandler))
	f.OnProduce(func(ctx context.Context, _ *blueprintv1.ProduceBlockRequest) (*blueprintv1.ProduceBlockResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	if _, err := s.ProduceBlock(t.Context(), &gatewayv1.ProduceBlockRequest{}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
}
