package walletrpc

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/kit/jsonrpc"

	"github.com/coder/websocket"
	"github.com/ethereum/go-ethereum/common"
)

const (
	// mostEnded is how many transactions that have ended a socket may keep following: until te_unsubscribe their ids are kept.
	mostEnded = 512
	// observerAnswers is how long the observer may take to begin a subscription.
	observerAnswers = 10 * time.Second
	// stepsOfOne is more than the observer ever tells of one transaction.
	stepsOfOne = 8
)

// The ranks of steps: a client gets them ascending, each once.
var stepRanks = map[string]int{"pending": 1, "sealed": 2, "final": 3, "opened": 4, "executed": 5, "ended": 5}

const lastRank = 5

// follows says whether a call follows a transaction, and which.
func (c *call) follows() (hash common.Hash, is bool) {
	var params []json.RawMessage
	var name string
	if c.Method != "te_subscribe" || json.Unmarshal(c.Params, &params) != nil || len(params) != 2 {
		return hash, false
	}
	return hash, json.Unmarshal(params[0], &name) == nil && name == "transaction" && json.Unmarshal(params[1], &hash) == nil
}

// follow answers a call that follows a transaction with the id of a subscription, and then notifies of the steps: what this bundler
// knows, and from its place in the order on what the observer does. It has a WebSocket of its own to the observer for that, which
// counts what is followed for the client.
func (s *socket) follow(ctx context.Context, c *call, hash common.Hash) error {
	if s.follows == nil {
		up, err := s.subscriber(ctx)
		if err != nil {
			return s.write(ctx, failure(c, away()))
		}
		s.follows = &follows{s: s, up: up, asked: map[int]chan beginning{}, told: map[string]chan json.RawMessage{}, clients: map[string]context.CancelFunc{}}
		s.all.Go(func() { s.end(s.follows.read(ctx)) })
	}
	return s.follows.begin(ctx, c, hash)
}

// follows are the transactions that the client of a socket follows.
type follows struct {
	s  *socket
	up *websocket.Conn

	mu      sync.Mutex
	number  int                             // of the last request to the observer
	asked   map[int]chan beginning          // by request
	told    map[string]chan json.RawMessage // steps, by subscription at the observer
	clients map[string]context.CancelFunc   // by the client's subscription
	ended   int                             // of those
}

// beginning is the observer's answer to a request for a subscription.
type beginning struct {
	id    string
	steps chan json.RawMessage
	err   *jsonrpc.Error
}

// source is where the steps of a transaction come from: a subscription at the observer, to its hash or to the id of its sealed one.
type source struct {
	name  common.Hash
	id    string
	steps chan json.RawMessage
}

func (f *follows) close() { _ = f.up.CloseNow() } // its reader ends

// read takes the observer's messages until it is gone.
func (f *follows) read(ctx context.Context) error {
	for {
		_, message, err := f.up.Read(ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", errObserverGone, err)
		}
		var m struct {
			ID     *int
			Result string
			Error  *jsonrpc.Error
			Params struct {
				Subscription string
				Result       json.RawMessage
			}
		}
		if json.Unmarshal(message, &m) != nil {
			continue // the answer to an end
		}
		f.take(m.ID, beginning{id: m.Result, err: m.Error}, m.Params.Subscription, m.Params.Result)
	}
}

func (f *follows) take(request *int, b beginning, subscription string, step json.RawMessage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if request == nil {
		select {
		case f.told[subscription] <- step:
		default: // nobody waits for it any more
		}
		return
	}
	if waiting := f.asked[*request]; waiting != nil {
		delete(f.asked, *request)
		if b.err == nil {
			b.steps = make(chan json.RawMessage, stepsOfOne)
			f.told[b.id] = b.steps
		}
		waiting <- b
	}
}

// subscribe asks the observer for the steps of a transaction.
func (f *follows) subscribe(ctx context.Context, name common.Hash) (source, *jsonrpc.Error) {
	answer := make(chan beginning, 1)
	f.mu.Lock()
	f.number++
	request := f.number
	f.asked[request] = answer
	f.mu.Unlock()
	if err := f.say(ctx, request, "te_subscribe", "transaction", name); err != nil {
		e := away()
		return source{}, &e
	}
	ctx, cancel := context.WithTimeout(ctx, observerAnswers)
	defer cancel()
	select {
	case b := <-answer:
		return source{name: name, id: b.id, steps: b.steps}, b.err
	case <-ctx.Done():
		e := away()
		return source{}, &e
	}
}

// leave ends a subscription at the observer.
func (f *follows) leave(ctx context.Context, from source) {
	f.mu.Lock()
	delete(f.told, from.id)
	f.number++
	request := f.number
	f.mu.Unlock()
	_ = f.say(ctx, request, "te_unsubscribe", from.id) // when the observer is gone, the socket ends
}

func (f *follows) say(ctx context.Context, request int, method string, params ...any) error {
	id, err := json.Marshal(request)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, socketWrite)
	defer cancel()
	return f.up.Write(ctx, websocket.MessageText, (&call{ID: id}).encode(method, params))
}

// begin begins to follow a transaction for the client.
func (f *follows) begin(ctx context.Context, c *call, hash common.Hash) error {
	f.mu.Lock()
	ended := f.ended
	f.mu.Unlock()
	if ended >= mostEnded {
		return f.s.write(ctx, failure(c, jsonrpc.Error{Code: jsonrpc.LimitExceeded,
			Message: fmt.Sprintf("%d subscriptions that have ended are still open: end them with te_unsubscribe, or connect again", ended)}))
	}
	from, refused := f.subscribe(ctx, hash)
	if refused != nil {
		return f.s.write(ctx, failure(c, *refused))
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random) // it does not fail
	one := &followed{f: f, id: "0x" + hex.EncodeToString(random), hash: hash, from: from}
	following, cancel := context.WithCancel(ctx)
	f.mu.Lock()
	f.clients[one.id] = cancel
	f.mu.Unlock()
	if err := f.s.write(ctx, result(c, one.id)); err != nil {
		cancel()
		return err
	}
	f.s.all.Go(func() {
		defer cancel()
		if err := one.run(ctx, following.Done()); err != nil {
			f.s.end(err)
		}
	})
	return nil
}

// ends ends what a client does not follow any more, if the call is about that.
func (f *follows) ends(c *call) bool {
	var ids []string
	if c.Method != "te_unsubscribe" || json.Unmarshal(c.Params, &ids) != nil || len(ids) != 1 {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	cancel, mine := f.clients[ids[0]]
	if !mine {
		return false
	}
	if delete(f.clients, ids[0]); cancel == nil {
		f.ended--
		return true
	}
	cancel()
	return true
}

// over notes that a transaction has made its last step.
func (f *follows) over(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, mine := f.clients[id]; mine {
		f.clients[id] = nil
		f.ended++
	}
}

// followed is a transaction that a client follows.
type followed struct {
	f      *follows
	id     string // of the client's subscription
	hash   common.Hash
	sealed common.Hash // id of the sealed one; zero while it is not known
	from   source
	told   int // rank of the last step
}

// errNotFollowed ends a socket whose transaction cannot be followed at the observer any more.
var errNotFollowed = errors.New("the observer does not follow the transaction")

// run notifies of the steps until the last one, or until the client does not follow any more. What it writes, that does not cut off: a
// WebSocket of which a write is cut off is closed.
func (o *followed) run(ctx context.Context, left <-chan struct{}) error {
	changes, forget := o.f.s.h.intake.Watch(o.hash)
	defer forget()
	defer func() { o.f.leave(ctx, o.from) }()
	defer o.f.over(o.id)
	for o.told < lastRank {
		changed := changes() // before the look: nothing is missed in between
		if err := o.here(ctx, o.f.s.h.intake.Standing(o.hash)); err != nil {
			return err
		}
		if o.told == lastRank {
			return nil
		}
		select {
		case <-changed:
		case step := <-o.from.steps:
			if err := o.there(ctx, step); err != nil {
				return err
			}
		case <-left:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// here tells what this bundler knows.
func (o *followed) here(ctx context.Context, at outbox.Standing) error {
	switch {
	case at.Ended:
		return o.tell(ctx, "ended", map[string]any{"reason": at.Reason})
	case at.Queued:
		return o.tell(ctx, "pending", nil)
	case at.ID == (common.Hash{}):
		return nil
	}
	if at.ID != o.sealed { // it is sealed, perhaps anew
		o.f.leave(ctx, o.from)
		from, refused := o.f.subscribe(ctx, at.ID)
		if refused != nil {
			return fmt.Errorf("%w: %w: %s", errObserverGone, errNotFollowed, refused.Message)
		}
		o.sealed, o.from = at.ID, from
	}
	if at.Accepted {
		return o.tell(ctx, "sealed", nil)
	}
	return nil
}

// there tells what the observer does.
func (o *followed) there(ctx context.Context, raw json.RawMessage) error {
	var fields map[string]any
	var step struct{ Step string }
	if json.Unmarshal(raw, &step) != nil || json.Unmarshal(raw, &fields) != nil {
		return nil
	}
	if rank := stepRanks[step.Step]; o.sealed != (common.Hash{}) && rank > stepRanks["sealed"] && rank < lastRank {
		if err := o.tell(ctx, "sealed", nil); err != nil { // the answer of the rollup is on its way here
			return err
		}
	}
	return o.tell(ctx, step.Step, fields)
}

// tell notifies of a step, once.
func (o *followed) tell(ctx context.Context, step string, fields map[string]any) error {
	rank := stepRanks[step]
	if rank <= o.told {
		return nil
	}
	if fields == nil {
		fields = map[string]any{}
	}
	fields["step"], fields["hash"] = step, o.hash
	if o.sealed != (common.Hash{}) {
		fields["id"] = o.sealed
	}
	notice := (&call{}).encode("te_subscription", map[string]any{"subscription": o.id, "result": fields})
	if err := o.f.s.write(ctx, notice); err != nil {
		return err
	}
	o.told = rank
	return nil
}
