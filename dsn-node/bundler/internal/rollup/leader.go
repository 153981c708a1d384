package rollup

import (
	"context"
	"fmt"
	"net/http"

	"blindseq/kit/budget"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// Leader is the rollup's leader, or a gateway before it. It learns sealed transactions and their ids, and the submitter, which
// stands in each of them; nothing else.
type Leader struct{ *client }

// NewLeader makes a client of the leader; nothing is sent yet. apiKey is sent with every request, empty for none.
func NewLeader(ctx context.Context, url, apiKey string) (Leader, error) {
	c, err := dial(ctx, url, ErrAway, nil)
	if err != nil {
		return Leader{}, err
	}
	if apiKey != "" {
		c.http.Transport = keyed{c.http.Transport, apiKey}
	}
	return Leader{c}, nil
}

// keyed sends an API key with every request.
type keyed struct {
	http.RoundTripper
	key string
}

func (k keyed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(budget.KeyHeader, k.key)
	return k.RoundTripper.RoundTrip(r)
}

// Submit hands a sealed transaction in. nil: the rollup has it.
func (l Leader) Submit(ctx context.Context, sealed []byte) error {
	return l.call(ctx, nil, "eth_sendRawTransaction", hexutil.Bytes(sealed))
}

// NextSeq asks for the first seq of a submitter that neither a block nor the leader's pool has.
func (l Leader) NextSeq(ctx context.Context, submitter common.Address) (uint64, error) {
	var seq hexutil.Uint64
	err := l.call(ctx, &seq, "te_getNextSeq", submitter)
	return uint64(seq), err
}

// Alone is the leader in the place of an observer, for a bundler that has none. It says of sealed transactions and of the chain
// what an observer would, and of senders nothing: nobody is asked about them.
type Alone struct{ Leader }

// Sender refuses.
func (Alone) Sender(context.Context, Question) (Sender, error) { return Sender{}, ErrNoObserver }

// NextNonce refuses.
func (Alone) NextNonce(context.Context, common.Address) (head, nonce uint64, err error) {
	return 0, 0, ErrNoObserver
}

// Look knows nothing.
func (Alone) Look(_ context.Context, queries []Query) ([]State, error) {
	states := make([]State, len(queries))
	for i := range states {
		states[i].Err = ErrNoObserver
	}
	return states, nil
}

// ErrNoObserver says that somebody would have to be asked about a sender.
var ErrNoObserver = fmt.Errorf("this bundler has no observer of its own to ask about senders: its operator must set --observer-rpc" +
	" to the JSON-RPC of a producer-svc with --role observer")
