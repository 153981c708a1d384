package attacks

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	"blindseq/e2e/load"
	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// submitter is the answer of te_getSubmitter.
type submitter struct {
	Class    string
	Refused  string
	Executed int
	Garbage  int
	Quota    *struct{ Gas hexutil.Uint64 }
}

func (s *scene) submitter(of common.Address) (answer submitter) {
	s.t.Helper()
	must(s.t, s.client.Client().CallContext(s.t.Context(), &answer, "te_getSubmitter", of))
	return answer
}

// latencies has an honest account seal transfers, one after the other, and gives the time from sending to receipt, and the blocks
// that were made in between, of each.
func (s *scene) latencies(from *load.Account, n int) (times []time.Duration, blocks []uint64) {
	s.t.Helper()
	for range n {
		before, err := s.client.BlockNumber(s.t.Context())
		must(s.t, err)
		inner, sealed := s.sealed(from)
		began := time.Now()
		must(s.t, s.send(sealed.Encode()))
		number := s.receipt(inner.Hash()).BlockNumber.Uint64()
		times, blocks = append(times, time.Since(began)), append(blocks, number-before)
	}
	slices.Sort(times)
	slices.Sort(blocks)
	return times, blocks
}

// flood sends raw transactions in batches, one after the other. What admission refuses of a submitter is no error.
func (s *scene) flood(ctx context.Context, raws [][]byte) (taken int, err error) {
	for part := range slices.Chunk(raws, 50) {
		batch, err := load.NewRawBatch(part)
		if err != nil {
			return taken, err
		}
		n, err := batch.Send(ctx, http.DefaultClient, s.RPC)
		taken += n
		if err != nil && ctx.Err() == nil && n == 0 && !strings.Contains(err.Error(), "submitter") {
			return taken, err
		}
	}
	return taken, nil
}

// garbage is sealed nonsense of an account.
func (s *scene) garbage(a *load.Account, n int) (raws [][]byte) {
	s.t.Helper()
	sealer := load.NewSealer(s.by, a, 0)
	for range n {
		one, err := sealer.Garbage(seal.ErrSeed)
		must(s.t, err)
		raws = append(raws, one.Encode())
	}
	return raws
}

// under compares an honest account's latencies with what they were, in blocks. In time, what else the machine does counts too.
func (s *scene) under(what string, honest *load.Account, idle []time.Duration, attack func(ctx context.Context) (string, error)) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	result, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		said, err := attack(ctx)
		result <- said
		ended <- err
	}()
	times, blocks := s.latencies(honest, 10)
	said := <-result
	must(s.t, <-ended)
	s.t.Logf("%s: idle p50 %s, p90 %s; under attack p50 %s, longest %s; at most %d blocks; %s", what, idle[len(idle)/2], idle[len(idle)*9/10],
		times[len(times)/2], times[len(times)-1], blocks[len(blocks)-1], said)
	if most := blocks[len(blocks)-1]; most > 4 { // one is being made when it comes, and one may begin with what waited longest
		s.t.Errorf("%s: an honest transaction waited for %d blocks", what, most)
	}
}

// TestGarbageDoesNotHoldAnHonestWalletUp attacks the promise that sealed transactions of one wallet are ordered whatever others
// seal. Without admission, 300 pieces of one unfunded account took an honest one from 67 ms to 5.7 s.
func TestGarbageDoesNotHoldAnHonestWalletUp(t *testing.T) {
	t.Parallel()
	s := newScene(t, cluster.Options{})
	honest, spoiler := s.accounts[0], s.accounts[1]
	s.latencies(honest, 3)
	idle, _ := s.latencies(honest, 10)

	poor := newAccount(t, s)
	all := s.garbage(poor, 300)
	s.under("300 pieces of an account without funds", honest, idle, func(ctx context.Context) (string, error) {
		taken, err := s.flood(ctx, all)
		if err == nil && taken > 0 {
			err = fmt.Errorf("%d were taken", taken)
		}
		return "none taken", err
	})
	if got := s.submitter(poor.Address); !strings.Contains(got.Refused, "--seal-min-balance") {
		t.Errorf("the account without funds is %+v", got)
	}

	all = s.garbage(spoiler, 300)
	s.under("300 pieces of a funded account", honest, idle, func(ctx context.Context) (string, error) {
		taken, err := s.flood(ctx, all)
		return fmt.Sprintf("%d taken", taken), err
	})
	s.eventually("the spoiler being out", func(context.Context) error {
		if got := s.submitter(spoiler.Address); got.Class != "out" || got.Garbage > 8 {
			return fmt.Errorf("it is %+v", got)
		}
		return nil
	})
	if got := s.submitter(honest.Address); got.Class != "front" || got.Garbage != 0 {
		t.Errorf("the honest one is %+v", got)
	}
}

// TestGarbageOfAThousandAccountsDoesNotHoldAnHonestWalletUp is the same with accounts that nobody has seen before. What they seal
// is taken, and few in a block.
func TestGarbageOfAThousandAccountsDoesNotHoldAnHonestWalletUp(t *testing.T) {
	t.Parallel()
	s := newScene(t, cluster.Options{Args: map[string][]string{cluster.Producer: {"--seal-min-balance", "0"}}})
	honest := s.accounts[0]
	s.latencies(honest, 3)
	idle, _ := s.latencies(honest, 10)
	var all [][]byte
	for range 1000 {
		all = append(all, s.garbage(newAccount(t, s), 1)...)
	}
	s.under("one piece of each of 1,000 accounts", honest, idle, func(ctx context.Context) (string, error) {
		taken, err := s.flood(ctx, all)
		return fmt.Sprintf("%d taken", taken), err
	})
	head, err := s.client.BlockNumber(t.Context())
	must(t, err)
	most, opened := 0, 0
	for number := uint64(1); number <= head; number++ {
		n := len(s.preblock(number).GetOutcomes())
		most, opened = max(most, n), opened+n
	}
	t.Logf("%d blocks have %d sealed transactions, at most %d in one", head, opened, most)
	if most > 18 { // 16 of new accounts, one more since the honest one came, and that one's
		t.Errorf("one block has %d sealed transactions", most)
	}
}
