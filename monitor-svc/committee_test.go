package monitor

import (
	"path/filepath"
	"testing"

	"blindseq/kit/redistest"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// keyholders makes certified preblocks, one after the other, each with a sealed transaction.
type keyholders struct {
	*committeetest.Committee
	last common.Hash
}

func (k *keyholders) preblock(number uint64) *preblockv1.Preblock {
	var p *preblockv1.Preblock
	p, k.last = k.Preblock(&preblockv1.Content{
		Number: number, PreviousBlockHash: make([]byte, 32), Timestamp: &timestamppb.Timestamp{Seconds: int64(number)},
		Transactions: [][]byte{k.Sealed([]byte("plain"))},
	}, k.last)
	p.RequestId = "r"
	return p
}

func (w *world) keyholders() *keyholders {
	w.t.Helper()
	k := &keyholders{Committee: committeetest.New(w.t, 4, 3, 1)}
	w.committee = filepath.Join(w.t.TempDir(), "committee.json")
	if err := k.Write(w.committee); err != nil {
		w.t.Fatal(err)
	}
	return k
}

func TestCertifiedPreblocksAreDeliveredByAReplicaThatStartedLate(t *testing.T) {
	w := newWorld(t, redistest.Mini(t))
	k := w.keyholders()
	for n := uint64(1); n <= 4; n++ {
		w.dsn.Put(k.preblock(n))
	}
	a := w.replica()
	if from := w.following(); from != 5 {
		t.Fatalf("it follows from %d", from)
	}
	waiting := a.next("r", 5)
	w.dsn.Put(k.preblock(5)) // what it follows has to be fetched
	a.expectPreblock(waiting, 5, "r")
	feed := a.stream(1)
	for n := uint64(1); n <= 5; n++ {
		res, err := feed.Recv()
		if err != nil || res.GetPreblock().GetContent().GetNumber() != n || len(res.GetPreblock().GetOutcomes()) != 1 {
			t.Fatalf("the feed has %v, %v instead of %d", res, err, n)
		}
	}
}

func TestAForgedOutcomeIsRefusedUntilTheRightOneComes(t *testing.T) {
	w := newWorld(t, redistest.Mini(t))
	k := w.keyholders()
	a := w.replica()
	w.following()
	waiting := a.next("r", 1)
	honest := k.preblock(1)
	forged := proto.CloneOf(honest)
	forged.Outcomes[0].GetOpened().Transaction = []byte("other")
	w.dsn.Put(forged)
	w.following() // the stream was broken off, and made again
	if _, err := a.GetPreblock(t.Context(), &preblockv1.GetPreblockRequest{Number: 1}); status.Code(err) != codes.Unavailable {
		t.Fatalf("asked for it: %v", err)
	}
	w.dsn.Put(honest)
	a.expectPreblock(waiting, 1, "r")
}

// A certificate without locks does not make its content final: another one may still be certified, in another view.
func TestACertifiedPreblockIsRefusedUntilItIsFinal(t *testing.T) {
	w := newWorld(t, redistest.Mini(t))
	k := w.keyholders()
	a := w.replica()
	w.following()
	waiting := a.next("r", 1)
	final := k.preblock(1)
	certified := proto.CloneOf(final)
	certified.Certificate.Locks = nil
	w.dsn.Put(certified)
	w.following() // the stream was broken off, and made again
	if _, err := a.GetPreblock(t.Context(), &preblockv1.GetPreblockRequest{Number: 1}); status.Code(err) != codes.Unavailable {
		t.Fatalf("asked for it: %v", err)
	}
	w.dsn.Put(final)
	a.expectPreblock(waiting, 1, "r")
}

func TestSealedTransactionsAreRefusedWithoutACommittee(t *testing.T) {
	w := newWorld(t, redistest.Mini(t))
	p := w.keyholders().preblock(1)
	w.committee = ""
	w.dsn.Put(p)
	a := w.replica()
	w.following()
	if _, err := a.GetPreblock(t.Context(), &preblockv1.GetPreblockRequest{Number: 1}); status.Code(err) != codes.Unavailable {
		t.Fatalf("got %v", err)
	}
}

func TestAFileThatIsNoCommitteeRefusesToStart(t *testing.T) {
	cfg := Config{CommitteeFile: filepath.Join(t.TempDir(), "missing")}
	if _, err := readCommittee(cfg); err == nil {
		t.Fatal("started")
	}
}
