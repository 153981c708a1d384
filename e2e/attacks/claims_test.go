package attacks

import (
	"context"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"blindseq/e2e/cluster"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
	"google.golang.org/grpc/codes"
)

// TestAWrongParentDoesNotKeepAnOpenedTransactionOut attacks the promise that what is opened is executed at its place: keyholders have
// no chain, so the leader has a content opened that builds on no block, and another that names a wrong base fee. If no replica
// executed it, the chain would stand still, or what is known by now would run in another block.
func TestAWrongParentDoesNotKeepAnOpenedTransactionOut(t *testing.T) {
	t.Parallel()
	const observer = "observer-b"
	s := newScene(t, cluster.Options{Replicas: []cluster.Replica{{Name: observer, Observer: true}}})
	lies := []func(c *preblockv1.Content){
		func(c *preblockv1.Content) { c.PreviousBlockHash = make([]byte, 32) },
		func(c *preblockv1.Content) { c.BaseFee-- },
	}
	for i, lie := range lies {
		s.pool(true)
		inner, victim := s.sealed(s.accounts[0])
		must(t, s.send(victim.Encode()))
		c := s.next(victim.Encode())
		c.BaseFee = s.baseFee()
		lie(c)
		must(t, s.propose(c))
		s.eventually("the content to be final", func(context.Context) error {
			if last := s.lastNumber(); last != c.GetNumber() {
				return fmt.Errorf("the last number is %d", last)
			}
			return nil
		})
		s.pool(false)
		s.mustBeFirst(inner, uint64(i+1))
	}
	early := s.next()
	early.Timestamp.Seconds = 1
	refused(t, "a timestamp before the last", s.propose(early), codes.InvalidArgument)
	inner, honest := s.sealed(s.accounts[0])
	must(t, s.send(honest.Encode()))
	s.mustBeFirst(inner, uint64(len(lies)+1))
	for _, name := range []string{cluster.Producer, observer} {
		s.mustAgree(name, uint64(len(lies)+1))
		for _, claim := range []string{"parent", "base_fee"} {
			s.mustShow(name, fmt.Sprintf(`blindseq_producer_false_claims_total{claim="%s"} 1`, claim))
		}
	}
}

// baseFee is that of the next block.
func (s *scene) baseFee() uint64 {
	s.t.Helper()
	head, err := s.client.HeaderByNumber(s.t.Context(), nil)
	must(s.t, err)
	return eip1559.CalcBaseFee(params.AllDevChainProtocolChanges, head).Uint64()
}

// mustAgree wants a producer to have the same block as the leader.
func (s *scene) mustAgree(name string, number uint64) {
	s.t.Helper()
	client, err := ethclient.DialContext(s.t.Context(), s.RPCOf(name))
	must(s.t, err)
	defer client.Close()
	hash := func(ctx context.Context, from *ethclient.Client) (common.Hash, error) {
		header, err := from.HeaderByNumber(ctx, new(big.Int).SetUint64(number))
		if err != nil {
			return common.Hash{}, err
		}
		return header.Hash(), nil
	}
	s.eventually("the same block at "+name, func(ctx context.Context) error {
		got, err := hash(ctx, client)
		if err != nil {
			return err
		}
		want, err := hash(ctx, s.client)
		if err == nil && got != want {
			err = fmt.Errorf("block %d is %s, the leader has %s", number, got, want)
		}
		return err
	})
}

// mustShow wants a line in the metrics of a process.
func (s *scene) mustShow(name, line string) {
	s.t.Helper()
	s.eventually(name+" to show "+line, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Ops(name)+"/metrics", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err == nil && !strings.Contains(string(text), line+"\n") {
			err = fmt.Errorf("it is not in %d bytes", len(text))
		}
		return err
	})
}
