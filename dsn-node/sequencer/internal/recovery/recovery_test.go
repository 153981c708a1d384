package recovery

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"blindseq/kit/content"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// keyholder answers as one that attested some contents, one after the other, from number 1 on.
type keyholder struct {
	keyholderv1.KeyholderServiceClient
	c        *committeetest.Committee
	is       int
	attested []*preblockv1.Content
	from     time.Time // not heard before
	hangs    bool      // its stream says nothing
	voteless uint64    // it signs for later numbers only
	shows    int       // number that it shows a certificate of, 0 for none
	shown    []*preblockv1.Content
	in       uint64 // view of the certificate, and of what it attested last
	left     uint64 // view that it went to, of the last number, 0 for none
}

func (k *keyholder) GetStatus(context.Context, *keyholderv1.GetStatusRequest, ...grpc.CallOption) (*keyholderv1.GetStatusResponse, error) {
	if time.Now().Before(k.from) {
		return nil, status.Error(codes.Unavailable, "away")
	}
	address, _ := k.c.Address(uint32(k.is))
	hash := k.c.Hash()
	return &keyholderv1.GetStatusResponse{
		Authority: uint32(k.is), Address: address[:], CommitteeHash: hash[:], LastNumber: uint64(len(k.attested)), SignsFrom: k.voteless + 1,
	}, nil
}

func (k *keyholder) GetAttested(ctx context.Context, r *keyholderv1.GetAttestedRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[keyholderv1.GetAttestedResponse], error) {
	sent := int(r.GetFromNumber() - 1)
	return &stream{k: k, ctx: ctx, sent: sent, previous: after(k.c, k.attested[:sent])}, nil
}

// after is the hash of the last statement about contents from number 1 on.
func after(c *committeetest.Committee, all []*preblockv1.Content) (hash common.Hash) {
	for _, one := range all {
		hash = attest.StatementOf(c.Committee, one, hash).Hash()
	}
	return hash
}

type stream struct {
	grpc.ClientStream
	k        *keyholder
	ctx      context.Context
	sent     int
	previous common.Hash
}

func (s *stream) Recv() (*keyholderv1.GetAttestedResponse, error) {
	if s.k.hangs {
		<-s.ctx.Done()
		return nil, s.ctx.Err()
	}
	if s.sent == len(s.k.attested) {
		return nil, io.EOF
	}
	c := s.k.attested[s.sent]
	s.sent++
	statement := attest.StatementOf(s.k.c.Committee, c, s.previous)
	s.previous = statement.Hash()
	last := s.sent == len(s.k.attested)
	view := uint64(0)
	if last {
		view = s.k.in
	}
	signed, err := statement.Sign(s.k.c.Identities[s.k.is], uint8(s.k.is), view)
	m := &keyholderv1.GetAttestedResponse{Attested: signed, Content: c}
	if last && s.k.left > 0 {
		m.ViewChange = &keyholderv1.ViewChange{Authority: uint32(s.k.is), Number: uint64(s.sent), View: s.k.left}
	}
	if s.sent == s.k.shows {
		m.Adopted = s.k.certificate()
	}
	return m, err
}

// certificate is what a keyholder shows of the last of some contents, without locks. The content is absent when it attested it.
func (k *keyholder) certificate() *keyholderv1.Adopted {
	before, c := k.shown[:k.shows-1], k.shown[k.shows-1]
	certificate, _ := k.c.CertifyIn(k.in, c, after(k.c, before))
	out := &keyholderv1.Adopted{Content: c, Certificate: attest.Final(certificate, nil)}
	if content.HashOf(c) == content.HashOf(k.attested[k.shows-1]) {
		out.Content = nil
	}
	return out
}

// log is an empty one whose numbers are fixed at once.
type log struct {
	c        *committeetest.Committee
	contents []*preblockv1.Content
}

func (l *log) Accepted() uint64 { return uint64(len(l.contents)) }

func (l *log) Fixed(_ context.Context, number uint64) (common.Hash, error) {
	return after(l.c, l.contents[:number]), nil
}

// Check takes 'z' for a content that breaks a rule.
func (l *log) Check(c *preblockv1.Content) error {
	if c.GetTransactions()[0][0] == 'z' {
		return rules.ErrContent
	}
	return nil
}

func (l *log) Submit(_ context.Context, c *preblockv1.Content) error {
	l.contents = append(l.contents, c)
	return nil
}

func contentOf(number uint64, variant byte) *preblockv1.Content {
	return &preblockv1.Content{
		Number: number, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Unix(1_700_000_000, 0)), Transactions: [][]byte{{variant}},
	}
}

func chain(variants ...byte) (all []*preblockv1.Content) {
	for i, v := range variants {
		all = append(all, contentOf(uint64(i+1), v))
	}
	return all
}

// recovered runs a recovery from four keyholders to its end, and returns what is in the log and how long it took.
func recovered(t *testing.T, change func(k []*keyholder)) (variants string, took time.Duration) {
	t.Helper()
	c := committeetest.New(t, 4, 3, 1)
	synctest.Test(t, func(t *testing.T) {
		keyholders, clients := make([]*keyholder, 4), make([]keyholderv1.KeyholderServiceClient, 4)
		for i := range keyholders {
			keyholders[i] = &keyholder{c: c, is: i}
			clients[i] = keyholders[i]
		}
		change(keyholders)
		l := &log{c: c}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		if err := Run(ctx, Options{
			Committee: c.Committee, Clients: clients, Log: l, Timeout: time.Second, Waiting: func(string) {}, Logger: slog.New(slog.DiscardHandler),
		}); err != nil {
			t.Fatal(err)
		}
		took = time.Since(began)
		for _, one := range l.contents {
			if content.HashOf(one) != content.HashOf(contentOf(one.GetNumber(), one.GetTransactions()[0][0])) {
				t.Fatalf("recovered %v", one)
			}
			variants += string(one.GetTransactions()[0])
		}
	})
	return variants, took
}

func TestRecovery(t *testing.T) {
	const never = 24 * time.Hour
	away := func(k *keyholder, d time.Duration) { k.from = time.Now().Add(d) }
	for name, c := range map[string]struct {
		change   func(k []*keyholder)
		want     string
		at, ends time.Duration // at least and at most
	}{
		"nothing attested": {func([]*keyholder) {}, "", 0, 0},
		"all that was certified": {func(k []*keyholder) {
			k[0].attested, k[1].attested, k[2].attested = chain('a', 'b'), chain('a', 'b'), chain('a', 'b')
		}, "ab", 0, 0},
		"two attested, one of them away": {func(k []*keyholder) {
			k[0].attested, k[1].attested = chain('a'), chain('a')
			away(k[1], never)
		}, "a", patience, patience + time.Second},
		"two attested, one of them late": {func(k []*keyholder) {
			k[0].attested, k[1].attested = chain('a'), chain('a')
			away(k[1], time.Second)
		}, "a", time.Second, 2 * time.Second},
		"one attested, another late": {func(k []*keyholder) {
			k[0].attested = chain('x')
			away(k[1], time.Second)
		}, "", time.Second, 2 * time.Second},
		"too few answer": {func(k []*keyholder) {
			k[0].attested, k[1].attested = chain('a'), chain('a')
			away(k[1], 10*time.Minute)
			away(k[2], 10*time.Minute)
		}, "a", 10 * time.Minute, 10*time.Minute + time.Second},
		"one is listed twice": {func(k []*keyholder) {
			k[0].attested = chain('a')
			k[1].is = 0
			k[1].attested = chain('a')
			away(k[2], time.Minute)
		}, "a", time.Minute + patience, time.Minute + patience + time.Second},
		"a stream hangs": {func(k []*keyholder) {
			k[0].attested, k[1].attested, k[2].attested = chain('a', 'b'), chain('a', 'b'), chain('a', 'b')
			k[0].hangs = true
		}, "ab", time.Second, 2 * time.Second},
		"two attested nothing after it, one something": {func(k []*keyholder) {
			k[0].attested, k[1].attested, k[2].attested = chain('a', 'b'), chain('a'), chain('a')
			away(k[3], never)
		}, "ab", patience, patience + time.Second},
		"one attested what breaks a rule, the others nothing": {func(k []*keyholder) {
			k[0].attested = chain('z')
			away(k[1], never)
		}, "", 0, 0},
		"one attested what breaks a rule, two something else": {func(k []*keyholder) {
			k[0].attested, k[1].attested, k[2].attested, k[3].attested = chain('a', 'b'), chain('a', 'b'), chain('a'), chain('a', 'z')
		}, "ab", 0, 0},
		// Two free ones could certify something else with the third if what it signed did not count.
		"one shows a certificate without locks of what it attested": {func(k []*keyholder) {
			k[0].attested, k[0].shown, k[0].shows = chain('a'), chain('a'), 1
			away(k[1], never)
		}, "a", 0, 0},
		"one shows a certificate without locks of what it did not attest": {func(k []*keyholder) {
			k[0].attested, k[0].shown, k[0].shows = chain('x'), chain('a'), 1
			k[1].attested = chain('x')
			away(k[2], never)
		}, "a", 0, 0},
		"one lost its votes, and may have attested what another one did": {func(k []*keyholder) {
			k[0].attested, k[1].voteless = chain('a'), 1
		}, "a", patience, patience + time.Second},
		"two lost their votes": {func(k []*keyholder) {
			k[0].attested, k[1].voteless, k[2].voteless = chain('a'), 1, 1
		}, "", time.Hour, time.Hour},
		"they are split between two contents": {func(k []*keyholder) {
			k[0].attested, k[1].attested, k[2].attested, k[3].attested = chain('a', 'b'), chain('a', 'b'), chain('a', 'x'), chain('a', 'x')
		}, "a", time.Hour, time.Hour},
		"they were split, and all left the view": {func(k []*keyholder) {
			k[0].attested, k[1].attested, k[2].attested, k[3].attested = chain('a', 'b'), chain('a', 'b'), chain('a', 'x'), chain('a', 'x')
			k[0].left, k[1].left, k[2].left, k[3].left = 1, 1, 1, 1
		}, "a", 0, 0},
		"they were split, and two attested something in the next view": {func(k []*keyholder) {
			k[0].attested, k[1].attested, k[2].attested, k[3].attested = chain('a', 'c'), chain('a', 'c'), chain('a', 'x'), chain('a', 'x')
			k[0].left, k[1].left, k[2].left, k[3].left = 1, 1, 1, 1
			k[0].in, k[1].in = 1, 1
		}, "ac", 0, 0},
		"two show certificates of two views": {func(k []*keyholder) {
			k[0].attested, k[0].shown, k[0].shows = chain('a'), chain('a'), 1
			k[1].attested, k[1].shown, k[1].shows, k[1].in, k[1].left = chain('b'), chain('b'), 1, 1, 1
			k[2].attested, k[2].shown, k[2].shows = chain('a'), chain('a'), 1
		}, "b", 0, 0},
		"one followed another order": {func(k []*keyholder) {
			k[0].attested, k[1].attested, k[2].attested, k[3].attested = chain('a', 'b'), chain('a', 'b'), chain('a'), chain('x', 'y')
		}, "ab", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, took := recovered(t, c.change)
			if got != c.want || took < c.at || took > c.ends {
				t.Errorf("recovered %q after %s, want %q after %s to %s", got, took, c.want, c.at, c.ends)
			}
		})
	}
}
