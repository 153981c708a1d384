package rpcproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"blindseq/api-gw/internal/hold"
	"blindseq/api-gw/internal/tracker"
)

// headOfAnswer is how much of an answer the proxy receives before it forwards any of it. Most answers are shorter: when the
// connection breaks, the request is simply retried.
const headOfAnswer = 64 << 10

// Why a request was not served, apart from connection errors.
var (
	errNoLeader = errors.New("no producer leads now; try again")
	errTimedOut = errors.New("the leading producer did not answer in time")
	errNotTaken = errors.New("a transaction cannot be accepted now")
)

// exchange is one request, retried until there is an answer.
type exchange struct {
	p     *Proxy
	w     http.ResponseWriter
	r     *http.Request
	body  []byte
	sends []send    // the transactions in it
	joins *question // not nil: it may be asked together with others
	tries int
}

// attempt asks a replica or the leader once. It returns nil when the client got its answer.
func (x *exchange) attempt(ctx context.Context) error {
	p := x.p
	x.tries++
	asked := p.asRead(x)
	if p.spread(x.w, x.r, asked) {
		return nil
	}
	leader := p.cfg.Leader()
	if leader == nil {
		if p.askReplicas(x.w, x.r, asked) {
			return nil
		}
		return hold.Again(hold.NoLeader, errNoLeader)
	}
	err := x.ask(ctx, leader, asked)
	switch {
	case err == nil:
		return nil
	case x.r.Context().Err() == nil && p.askReplicas(x.w, x.r, asked):
		return nil
	case errors.Is(err, errTimedOut):
		return err
	case !errors.Is(err, errNotTaken):
		p.cfg.Unreachable()
		if !unsent(err) && once(x.body) {
			return errOnce
		}
	}
	return hold.Again(hold.Unavailable, err)
}

// ask forwards the request to the leader. The end of ctx cancels it as long as no part of the answer was forwarded. What the leader
// does not keep, another replica may: asked are those that were not asked yet.
func (x *exchange) ask(ctx context.Context, leader *tracker.Leader, asked *read) error {
	if x.joins != nil {
		written, err := x.joined(ctx, route{leader.HTTP, x.p.short.leader}, func(answer []byte, _ http.Header) bool {
			return !asked.others() || !saysNotKept(answer)
		})
		switch {
		case written, err == nil && x.p.askOlder(x.w, x.r, asked):
			return nil
		case err == nil: // the leader has to answer after all
		case errors.Is(err, context.DeadlineExceeded):
			return errTimedOut
		case !errors.Is(err, errAlone):
			return err
		}
	}
	asking, cancel := context.WithTimeout(x.r.Context(), x.p.cfg.Timeout)
	defer cancel()
	passOn := context.AfterFunc(ctx, cancel)
	defer passOn()
	body := &payload{data: x.body}
	defer body.release()
	// gofail: var callForwarding struct{}
	res, err := x.p.transport.RoundTrip(requestTo(asking, leader.HTTP, body))
	if err == nil {
		defer res.Body.Close()
		// gofail: var callAnswering struct{}
		err = x.ready(res)
	}
	switch {
	case err != nil && errors.Is(asking.Err(), context.DeadlineExceeded):
		return errTimedOut
	case err != nil:
		return err
	case !passOn():
		return context.Cause(ctx)
	case asked.others() && notKept(res) && x.p.askOlder(x.w, x.r, asked):
		return nil
	}
	x.p.answer(x.w, x.r, res)
	return nil
}

// ready returns nil when an answer may be forwarded: its beginning arrived in full, and it does not say that the leader
// cannot accept a transaction now.
func (x *exchange) ready(res *http.Response) error {
	limit := int64(headOfAnswer)
	if len(x.sends) > 0 {
		limit = x.p.cfg.BodyLimit
	}
	start := new(bytes.Buffer)
	switch _, err := io.CopyN(start, res.Body, limit); {
	case err == nil: // there is more
		res.Body = &rest{Reader: io.MultiReader(start, res.Body), Closer: res.Body}
		return nil
	case !errors.Is(err, io.EOF):
		x.p.cfg.Recorder.ForwardError(Broken)
		return err
	}
	answer := start.Bytes()
	if len(x.sends) > 0 && bytes.Contains(answer, []byte(`"error"`)) {
		corrected, notNow := correct(x.sends, answer, x.tries > 1)
		if notNow != "" {
			return fmt.Errorf("%w: %s", errNotTaken, notNow)
		}
		answer = corrected
		res.Header.Set("Content-Length", strconv.Itoa(len(answer)))
	}
	res.Body = &rest{Reader: bytes.NewReader(answer), Closer: res.Body}
	return nil
}
