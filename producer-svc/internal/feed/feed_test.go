package feed

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"blindseq/kit/content"
	"blindseq/producer-svc/blueprint"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// archive is a log and a chain of as many blocks as are asked for.
type archive struct{}

func (archive) Get(n uint64) (*blueprintv1.LogRecord, error) {
	parent, raw := content.Keccak(fmt.Append(nil, n-1)), fmt.Appendf(nil, "delayed %d", n)
	hash := content.Keccak(raw)
	return &blueprintv1.LogRecord{
		Number: n, ParentHash: parent[:], Timestamp: &timestamppb.Timestamp{Seconds: 1577836800 + int64(n)}, RequestId: fmt.Sprint("r-", n),
		Transactions:        [][]byte{bytes.Repeat([]byte{byte(n)}, 5000), []byte("too early")},
		DelayedTransactions: []*blueprintv1.DelayedTransaction{{Hash: hash[:], Raw: raw}},
	}, nil
}

func (archive) BlockHash(n uint64) (content.Hash, bool) {
	return content.Keccak(fmt.Append(nil, n)), true
}

func (archive) Skipped(n uint64) ([]*blueprintv1.SkippedTransaction, error) {
	hash := content.Keccak([]byte("too early"))
	return []*blueprintv1.SkippedTransaction{{Hash: hash[:], Reason: "nonce too high"}}, nil
}

// Executed: all but what was skipped, the delayed one first.
func (archive) Executed(n uint64) ([]blueprint.Executed, error) {
	rec, err := archive{}.Get(n)
	if err != nil {
		return nil, err
	}
	return []blueprint.Executed{{Raw: rec.GetDelayedTransactions()[0].GetRaw(), Delayed: true}, {Raw: rec.GetTransactions()[0]}}, nil
}

func testKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)) }

func newFeed(head uint64) *Feed {
	return New(blueprint.Builder{Records: archive{}, Results: archive{}, Key: testKey()}, head)
}

var errEnough = errors.New("enough")

func TestASubscriberGetsEveryBlueprintOnceInOrder(t *testing.T) {
	const last = 60
	f := newFeed(3)
	var wg sync.WaitGroup
	for from := uint64(1); from <= 4; from++ {
		wg.Go(func() {
			next := from
			err := f.Stream(t.Context(), from, func(b *blueprintv1.Blueprint) error {
				if b.GetNumber() != next {
					return fmt.Errorf("got %d, want %d", b.GetNumber(), next)
				}
				if next++; b.GetNumber() == last {
					return errEnough
				}
				return nil
			})
			if !errors.Is(err, errEnough) {
				t.Errorf("from %d: %v", from, err)
			}
		})
	}
	for n := uint64(4); n <= last; n++ {
		f.Publish(n)
		f.Publish(n - 1) // an old one changes nothing
	}
	wg.Wait()
}

func TestOnlyWhatIsAppliedIsPublished(t *testing.T) {
	f := newFeed(2)
	for _, n := range []uint64{0, 3} {
		if _, err := f.Get(n); !errors.Is(err, blueprint.ErrNotApplied) {
			t.Errorf("blueprint %d: %v", n, err)
		}
	}
	never := func(*blueprintv1.Blueprint) error { t.Error("something was sent"); return errEnough }
	if err := f.Stream(t.Context(), 4, never); !errors.Is(err, ErrAhead) {
		t.Errorf("from beyond the next: %v", err)
	}
	if err := f.Stream(t.Context(), 0, never); !errors.Is(err, ErrZero) {
		t.Errorf("from 0: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errEnough)
	if err := f.Stream(ctx, 3, never); !errors.Is(err, errEnough) {
		t.Errorf("from the next: %v", err)
	}
}

func TestPublishedBytesAreWhatTheBlockExecutedSignedAndAlwaysTheSame(t *testing.T) {
	f := newFeed(5)
	b, err := f.Get(4)
	if err != nil {
		t.Fatal(err)
	}
	number, format, err := blueprint.Open(testKey().Public().(ed25519.PublicKey), b.GetChunks())
	rec, _ := archive{}.Get(4)
	if err != nil || number != 4 || len(format.Transactions) != 1 || !bytes.Equal(format.Transactions[0], rec.GetTransactions()[0]) ||
		!bytes.Equal(format.Delayed[0][:], rec.GetDelayedTransactions()[0].GetHash()) ||
		!bytes.Equal(format.ParentHash[:], rec.GetParentHash()) || format.Timestamp != rec.GetTimestamp().GetSeconds() {
		t.Fatalf("chunks hold %d, %+v, %v", number, format, err)
	}
	again, err := newFeed(9).Get(4)
	if err != nil || !proto.Equal(b, again) {
		t.Fatalf("another time it is another: %v", err)
	}
}

func get(t *testing.T, server *httptest.Server, path string) (*http.Response, *json.Decoder) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response, json.NewDecoder(response.Body)
}

func TestHTTPFeedHasTheFormatOfTheOrigin(t *testing.T) {
	f := newFeed(2)
	rollup := RollupAddress{1, 2, 3}
	server := httptest.NewServer(NewHandler(f, rollup))
	t.Cleanup(server.Close)
	var item struct {
		Delayed   [][]string `json:"delayed_transactions"`
		Blueprint struct {
			Number, Timestamp string
			Payload           []string
		}
	}
	response, body := get(t, server, "/evm/blueprint/2")
	if err := body.Decode(&item); err != nil || response.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%v, %v", err, response.Header)
	}
	rec, _ := archive{}.Get(2)
	if item.Blueprint.Number != "2" || item.Blueprint.Timestamp != "2020-01-01T00:00:02Z" || len(item.Blueprint.Payload) != 2 {
		t.Errorf("got %+v", item.Blueprint)
	}
	if d := item.Delayed[0]; d[0] != "transaction" || d[1] != fmt.Sprintf("0x%x", rec.GetDelayedTransactions()[0].GetHash()) || d[2] != fmt.Sprintf("%x", "delayed 2") {
		t.Errorf("delayed %v", d)
	}
	message, err := hex.DecodeString(item.Blueprint.Payload[0])
	if err != nil || !bytes.HasPrefix(message, append([]byte{0}, append(rollup[:], 3)...)) {
		t.Fatalf("message %x…, %v", message[:24], err)
	}
	if _, err := blueprint.DecodeChunk(testKey().Public().(ed25519.PublicKey), message[22:]); err != nil {
		t.Error(err)
	}
}

func TestHTTPStreamGoesOnLive(t *testing.T) {
	f := newFeed(2)
	server := httptest.NewServer(NewHandler(f, RollupAddress{}))
	t.Cleanup(server.Close)
	_, body := get(t, server, "/evm/blueprints?from_level=3") // nothing there yet: the answer begins all the same
	for n := 3; n <= 6; n++ {
		f.Publish(uint64(n))
		var item wireFeed
		if err := body.Decode(&item); err != nil || item.Blueprint.Number != fmt.Sprint(n) {
			t.Fatalf("got %s, %v", item.Blueprint.Number, err)
		}
	}
}

func TestHTTPRefusesWithTheReason(t *testing.T) {
	server := httptest.NewServer(NewHandler(newFeed(2), RollupAddress{}))
	t.Cleanup(server.Close)
	for path, want := range map[string]int{
		"/evm/blueprint/3": 404, "/evm/blueprint/0": 404, "/evm/blueprint/x": 400, "/evm/blueprint/-1": 400,
		"/evm/blueprint/99999999999999999999": 400, "/evm/blueprints": 400, "/evm/blueprints?from_level=0": 400,
		"/evm/blueprints?from_level=4": 400, "/evm/blueprints?from_level=0x1": 400,
	} {
		response, body := get(t, server, path)
		var answer map[string]string
		if err := body.Decode(&answer); response.StatusCode != want || err != nil || strings.TrimSpace(answer["error"]) == "" {
			t.Errorf("%s: %d %v %v", path, response.StatusCode, answer, err)
		}
	}
}
