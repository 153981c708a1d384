package sequencer

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"blindseq/dsn-node/internal/identity"
	"blindseq/kit/config"
	"blindseq/kit/grpckit"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

type locking func(l *liar, ctx context.Context, r *keyholderv1.LockRequest) (*keyholderv1.LockResponse, error)

type reporting func(l *liar, ctx context.Context, r *keyholderv1.ReportRequest) (*keyholderv1.ReportResponse, error)

type releasing func(l *liar, ctx context.Context, r *keyholderv1.ReleaseSharesRequest) (*keyholderv1.ReleaseSharesResponse, error)

// liar stands in front of a real keyholder, has its key, and answers as its functions say.
type liar struct {
	keyholderv1.KeyholderServiceServer
	keyholderv1.KeyholderServiceClient
	n         *network
	authority uint8
	key       *ecdsa.PrivateKey
	attest    func(l *liar, ctx context.Context, r *keyholderv1.AttestRequest) (*keyholderv1.AttestResponse, error)
	lock      locking
	report    reporting
	release   releasing

	mu    sync.Mutex
	calls map[uint64]int
}

// lie puts a liar in the place of a keyholder.
func (n *network) lie(t *testing.T, i int, l *liar) {
	t.Helper()
	conn, err := grpckit.Dial(n.addresses[i], config.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	l.n, l.authority, l.calls = n, uint8(i), map[uint64]int{}
	l.KeyholderServiceClient = keyholderv1.NewKeyholderServiceClient(conn)
	if l.key, err = identity.Read(n.files.Identities[i], nil); err != nil {
		t.Fatal(err)
	}
	server, err := grpckit.NewServer(grpckit.ServerConfig{Address: "127.0.0.1:0", Log: n.log})
	if err != nil {
		t.Fatal(err)
	}
	keyholderv1.RegisterKeyholderServiceServer(server.Registrar(), serving{l: l})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = conn.Close()
	})
	n.addresses[i] = server.Addr()
}

// serving is the server side of a liar.
type serving struct {
	keyholderv1.UnimplementedKeyholderServiceServer
	l *liar
}

func (s serving) Attest(ctx context.Context, r *keyholderv1.AttestRequest) (*keyholderv1.AttestResponse, error) {
	if s.l.attest != nil {
		return s.l.attest(s.l, ctx, r)
	}
	return s.l.KeyholderServiceClient.Attest(ctx, r)
}

func (s serving) Lock(ctx context.Context, r *keyholderv1.LockRequest) (*keyholderv1.LockResponse, error) {
	if s.l.lock != nil {
		return s.l.lock(s.l, ctx, r)
	}
	return s.l.KeyholderServiceClient.Lock(ctx, r)
}

func (s serving) Adopt(ctx context.Context, r *keyholderv1.AdoptRequest) (*keyholderv1.AdoptResponse, error) {
	return s.l.KeyholderServiceClient.Adopt(ctx, r)
}

func (s serving) Report(ctx context.Context, r *keyholderv1.ReportRequest) (*keyholderv1.ReportResponse, error) {
	if s.l.report != nil {
		return s.l.report(s.l, ctx, r)
	}
	return s.l.KeyholderServiceClient.Report(ctx, r)
}

func (s serving) Restore(ctx context.Context, r *keyholderv1.RestoreRequest) (*keyholderv1.RestoreResponse, error) {
	return s.l.KeyholderServiceClient.Restore(ctx, r)
}

func (s serving) ReleaseShares(ctx context.Context, r *keyholderv1.ReleaseSharesRequest) (*keyholderv1.ReleaseSharesResponse, error) {
	if s.l.release != nil {
		return s.l.release(s.l, ctx, r)
	}
	return s.l.KeyholderServiceClient.ReleaseShares(ctx, r)
}

func (s serving) GetStatus(ctx context.Context, r *keyholderv1.GetStatusRequest) (*keyholderv1.GetStatusResponse, error) {
	return s.l.KeyholderServiceClient.GetStatus(ctx, r)
}

// called counts calls about a number.
func (l *liar) called(number uint64) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[number]++
	return l.calls[number]
}

// wrongShares gives the bare share of the first sealed transaction for the last one too, and proves as its proving says.
func wrongShares(proving func(s *keyholderv1.SignedShares) error) releasing {
	return func(l *liar, ctx context.Context, r *keyholderv1.ReleaseSharesRequest) (*keyholderv1.ReleaseSharesResponse, error) {
		answer, err := l.KeyholderServiceClient.ReleaseShares(ctx, r)
		if err != nil {
			return nil, err
		}
		s := answer.GetShares()
		if len(r.GetProven()) > 0 {
			err = proving(s)
		} else {
			s.Answers[len(s.Answers)-1].Share = bytes.Clone(s.Answers[0].Share)
		}
		return answer, errors.Join(err, attest.SignShares(l.n.committee, l.key, s))
	}
}

func rightProofs(*keyholderv1.SignedShares) error { return nil }

func wrongProofs(s *keyholderv1.SignedShares) error {
	s.Answers[0].Proof[95] ^= 1
	return nil
}

func noProofs(*keyholderv1.SignedShares) error {
	return status.Error(codes.Internal, "no proof from here")
}

// noPoints gives bytes of the right length that are no shares.
func noPoints(l *liar, ctx context.Context, r *keyholderv1.ReleaseSharesRequest) (*keyholderv1.ReleaseSharesResponse, error) {
	answer, err := l.KeyholderServiceClient.ReleaseShares(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, a := range answer.GetShares().GetAnswers() {
		a.Share = bytes.Repeat([]byte{0xff}, 32)
	}
	return answer, attest.SignShares(l.n.committee, l.key, answer.GetShares())
}

// short leaves out a share.
func short(l *liar, ctx context.Context, r *keyholderv1.ReleaseSharesRequest) (*keyholderv1.ReleaseSharesResponse, error) {
	answer, err := l.KeyholderServiceClient.ReleaseShares(ctx, r)
	if err != nil {
		return nil, err
	}
	answer.Shares.Answers = answer.Shares.Answers[1:]
	return answer, attest.SignShares(l.n.committee, l.key, answer.GetShares())
}

// equivocating claims, with a signature, that it attested another content for the number before, and asked again attests.
func equivocating(l *liar, ctx context.Context, r *keyholderv1.AttestRequest) (*keyholderv1.AttestResponse, error) {
	if l.called(r.GetContent().GetNumber()) > 1 || r.GetContent().GetNumber() == 1 {
		return l.KeyholderServiceClient.Attest(ctx, r)
	}
	other := proto.CloneOf(r.GetContent())
	other.Number--
	signed, err := attest.StatementOf(l.n.committee, other, common.Hash(r.GetFinality().GetPreviousPayloadHash())).Sign(l.key, l.authority, 0)
	return &keyholderv1.AttestResponse{Attested: signed, Refusal: keyholderv1.AttestRefusal_ATTEST_REFUSAL_OTHER_PREVIOUS}, err
}

// lockingAnother signs a lock of another content, without having seen a certificate over it.
func lockingAnother(l *liar, _ context.Context, r *keyholderv1.LockRequest) (*keyholderv1.LockResponse, error) {
	s, err := attest.Verify(l.n.committee, r.GetCertificate())
	if err != nil {
		return nil, err
	}
	s.Content[0] ^= 1
	lock, err := s.Lock(l.key, l.authority, 0)
	return &keyholderv1.LockResponse{Lock: lock}, err
}

// lockingLater signs the lock in another view.
func lockingLater(l *liar, _ context.Context, r *keyholderv1.LockRequest) (*keyholderv1.LockResponse, error) {
	s, err := attest.Verify(l.n.committee, r.GetCertificate())
	if err != nil {
		return nil, err
	}
	lock, err := s.Lock(l.key, l.authority, 1)
	return &keyholderv1.LockResponse{Lock: lock}, err
}

// lockingByAttesting gives its attestation in the place of a lock.
func lockingByAttesting(l *liar, _ context.Context, r *keyholderv1.LockRequest) (*keyholderv1.LockResponse, error) {
	for _, a := range r.GetCertificate().GetAttestations() {
		if a.GetAuthority() == uint32(l.authority) {
			return &keyholderv1.LockResponse{Lock: a}, nil
		}
	}
	return &keyholderv1.LockResponse{}, nil
}

// lockingForOthers signs for somebody else.
func lockingForOthers(l *liar, ctx context.Context, r *keyholderv1.LockRequest) (*keyholderv1.LockResponse, error) {
	answer, err := l.KeyholderServiceClient.Lock(ctx, r)
	if err == nil {
		answer.Lock.Authority = uint32(l.authority+1) % 7
	}
	return answer, err
}

// notLocking never answers.
func notLocking(_ *liar, ctx context.Context, _ *keyholderv1.LockRequest) (*keyholderv1.LockResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// hanging never answers.
func hanging(_ *liar, ctx context.Context, _ *keyholderv1.AttestRequest) (*keyholderv1.AttestResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// forging signs for somebody else.
func forging(l *liar, ctx context.Context, r *keyholderv1.AttestRequest) (*keyholderv1.AttestResponse, error) {
	answer, err := l.KeyholderServiceClient.Attest(ctx, r)
	if err == nil {
		answer.GetAttested().GetAttestation().Authority = uint32(l.authority+1) % 7
	}
	return answer, err
}

func TestMisbehavingKeyholdersCostNoBlockAndAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		liars    map[int]*liar
		convicts map[string][]uint32
		named    string // in the metrics, of authority 1
	}{
		"two give wrong shares and prove other ones": {
			map[int]*liar{1: {release: wrongShares(rightProofs)}, 4: {release: wrongShares(rightProofs)}},
			map[string][]uint32{"two_shares": {1, 4}}, "two_shares"},
		"two give wrong shares and wrong proofs": {
			map[int]*liar{1: {release: wrongShares(wrongProofs)}, 2: {release: wrongShares(wrongProofs)}},
			map[string][]uint32{"wrong_share": {1, 2}}, "wrong_share"},
		"two give wrong shares and prove nothing": {
			map[int]*liar{1: {release: wrongShares(noProofs)}, 5: {release: wrongShares(noProofs)}}, map[string][]uint32{}, "unproven"},
		"two give no points": {
			map[int]*liar{1: {release: noPoints}, 0: {release: noPoints}}, map[string][]uint32{"wrong_share": {0, 1}}, "wrong_share"},
		"two give too few": {map[int]*liar{1: {release: short}, 3: {release: short}}, map[string][]uint32{}, "invalid"},
		"one equivocates":  {map[int]*liar{1: {attest: equivocating}}, map[string][]uint32{"equivocation": {1}}, "equivocation"},
		"two never answer": {map[int]*liar{1: {attest: hanging}, 6: {attest: hanging}}, map[string][]uint32{}, ""},
		"two lock another content": {
			map[int]*liar{1: {lock: lockingAnother}, 2: {lock: lockingAnother}}, map[string][]uint32{}, "invalid"},
		"two lock in another view": {
			map[int]*liar{1: {lock: lockingLater}, 5: {lock: lockingLater}}, map[string][]uint32{}, "invalid"},
		"two attest in the place of a lock": {
			map[int]*liar{1: {lock: lockingByAttesting}, 3: {lock: lockingByAttesting}}, map[string][]uint32{}, "invalid"},
		"two lock for others": {map[int]*liar{1: {lock: lockingForOthers}, 0: {lock: lockingForOthers}}, map[string][]uint32{}, "invalid"},
		"two never lock":      {map[int]*liar{1: {lock: notLocking}, 6: {lock: notLocking}}, map[string][]uint32{}, ""},
		"two forge":           {map[int]*liar{1: {attest: forging}, 0: {attest: forging}}, map[string][]uint32{}, "invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNetwork(t, 7, 5)
			for i, l := range c.liars {
				n.lie(t, i, l)
			}
			s := start(t, n.config(t))
			n.awaitAll(t, s)
			number, named := uint64(0), ""
			block := func() {
				number++
				plain := fmt.Sprintf("transaction of block %d", number)
				s.submit(t, with(number, n.sealed("first"), n.sealed(plain)))
				if got := plainOf(s.preblock(t, n, number), 1); got != plain {
					t.Fatalf("got %q", got)
				}
			}
			block()
			// A liar that was too late to matter is not noticed, so blocks go on until all had their turn.
			eventually(t, func() bool {
				block()
				named = get(t, "http://"+s.http+"/metrics")
				for i := range c.liars {
					line := fmt.Sprintf(`blindseq_dsn_keyholder_faults_total{keyholder=%q,kind=%q} 0`, n.addresses[i], c.named)
					if strings.Contains(named, line+"\n") {
						return false
					}
				}
				return true
			})
			s.stop()
			got := map[string][]uint32{}
			for kind, all := range n.convicted(t) {
				seen := map[uint32]bool{}
				for i := range 7 {
					for _, a := range all {
						if a == uint32(i) && !seen[a] {
							seen[a] = true
							got[kind] = append(got[kind], a)
						}
					}
				}
			}
			if !reflect.DeepEqual(got, c.convicts) {
				t.Fatalf("convicted %v, want %v", got, c.convicts)
			}
		})
	}
}

// silent gives no share, and leaves the call open.
func silent(l *liar, ctx context.Context, r *keyholderv1.ReleaseSharesRequest) (*keyholderv1.ReleaseSharesResponse, error) {
	l.called(r.GetCertificate().GetNumber())
	<-ctx.Done()
	return nil, ctx.Err()
}

// Four keyholders, one is late with its lock: the silent one is among those that are asked for shares first.
func TestAKeyholderThatIsSilentAboutItsSharesIsNotWaitedFor(t *testing.T) {
	n := newNetwork(t, 4, 3)
	quiet := &liar{release: silent}
	n.lie(t, 0, quiet)
	others := make(chan struct{})
	n.lie(t, 3, &liar{lock: func(l *liar, ctx context.Context, r *keyholderv1.LockRequest) (*keyholderv1.LockResponse, error) {
		select {
		case <-others:
		case <-ctx.Done():
		}
		return l.KeyholderServiceClient.Lock(ctx, r)
	}})
	c := n.config(t)
	c.KeyholderTimeout = time.Hour
	s := start(t, c)
	n.awaitAll(t, s)
	s.submit(t, with(1, n.sealed("one")))
	eventually(t, func() bool { // asked
		quiet.mu.Lock()
		defer quiet.mu.Unlock()
		return quiet.calls[1] > 0
	})
	close(others)
	if p := s.preblock(t, n, 1); plainOf(p, 0) != "one" {
		t.Fatalf("outcomes %v", p.GetOutcomes())
	}
}

func TestARoundThatLacksSharesSaysHowMany(t *testing.T) {
	n := newNetwork(t, 4, 3)
	back := make(chan struct{})
	for _, i := range []int{1, 2} {
		n.lie(t, i, &liar{release: func(l *liar, ctx context.Context, r *keyholderv1.ReleaseSharesRequest) (*keyholderv1.ReleaseSharesResponse, error) {
			select {
			case <-back:
				return l.KeyholderServiceClient.ReleaseShares(ctx, r)
			default:
				return nil, status.Error(codes.Unavailable, "not now")
			}
		}})
	}
	s := start(t, n.config(t))
	s.submit(t, with(1, n.sealed("one")))
	eventually(t, func() bool {
		return strings.Contains(s.status(t).GetWaiting(), "preblock 1 waits for decryption shares: 2 of 3; 2 of 4 keyholders take part")
	})
	close(back)
	s.preblock(t, n, 1)
	eventually(t, func() bool { return s.status(t).GetWaiting() == "" })
}

// proofs is how often shares with proof were needed.
func (s *node) proofs(t *testing.T) string {
	t.Helper()
	_, after, _ := strings.Cut(get(t, "http://"+s.http+"/metrics"), `blindseq_dsn_round_seconds_count{phase="prove"} `)
	count, _, _ := strings.Cut(after, "\n")
	return count
}

func TestAKeyholderWhoseSharesWereWrongIsLeftOutWhileOthersAnswer(t *testing.T) {
	n := newNetwork(t, 4, 3)
	lies := wrongShares(rightProofs)
	var honest atomic.Bool
	n.lie(t, 0, &liar{release: func(l *liar, ctx context.Context, r *keyholderv1.ReleaseSharesRequest) (*keyholderv1.ReleaseSharesResponse, error) {
		if honest.Load() {
			return l.KeyholderServiceClient.ReleaseShares(ctx, r)
		}
		return lies(l, ctx, r)
	}})
	s := start(t, n.config(t))
	number := uint64(0)
	block := func() {
		number++
		s.submit(t, with(number, n.sealed("first"), n.sealed("second")))
		if p := s.preblock(t, n, number); plainOf(p, 0)+plainOf(p, 1) != "firstsecond" {
			t.Fatalf("outcomes %v", p.GetOutcomes())
		}
	}
	eventually(t, func() bool {
		block()
		return !strings.Contains(get(t, "http://"+s.http+"/metrics"),
			fmt.Sprintf("blindseq_dsn_keyholder_faults_total{keyholder=%q,kind=\"two_shares\"} 0\n", n.addresses[0]))
	})
	proofs := s.proofs(t)
	for range 5 {
		block()
	}
	if got := s.proofs(t); got != proofs {
		t.Fatalf("shares with proof were needed %s times, before %s", got, proofs)
	}
	n.stopKeyholder(1) // now there are three
	block()
	if got := s.proofs(t); got == proofs {
		t.Fatal("a lie that nobody noticed")
	}
	honest.Store(true)
	block()
	proofs = s.proofs(t)
	block()
	if got := s.proofs(t); got != proofs {
		t.Fatalf("shares with proof of an honest keyholder were needed %s times, before %s", got, proofs)
	}
}
