// Package leader makes one replica of a service the leader, and lets others find it.
//
// Leadership is a lease (kit/lock) whose record carries the leader's endpoints. Campaign guarantees that a leader's
// context ends before another can lead, and gives it a token to fence its effects with. Directory follows who leads and
// is the gRPC resolver of "leader:///<name>". It only helps to find the leader: a call may still reach one that has just
// ceased to lead, so a replica that serves such calls checks for itself whether it leads.
package leader

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"blindseq/kit/lock"
	"blindseq/kit/retry"
)

// ErrBadEndpoint is an endpoint others could not use.
var ErrBadEndpoint = errors.New("bad endpoint")

// pauses are between terms that were short.
var pauses = retry.Policy{First: 50 * time.Millisecond, Longest: 5 * time.Second}

// Endpoint is where others reach a leader: host:port of its gRPC, and the URL or host:port of its JSON-RPC if it has one.
type Endpoint struct {
	GRPC string `json:"grpc"`
	RPC  string `json:"rpc,omitempty"`
	// Name is the host that its certificate is for, where GRPC has an address that changes: a name that is looked up may
	// still give the old one. It stays the same when the replica comes back at another address.
	Name string `json:"name,omitempty"`
}

// EndpointOf is the endpoint in the meta of a lease; the zero one where there is none.
func EndpointOf(meta string) (e Endpoint) {
	if json.Unmarshal([]byte(meta), &e) != nil {
		return Endpoint{}
	}
	return e
}

// ID is by what a replica is known, through restarts where it has a name.
func (e Endpoint) ID() string { return cmp.Or(e.Name, e.GRPC) }

// Campaign takes the lease whenever it is free and calls lead, over and over, until ctx ends; then it returns nil. The
// context of lead ends with ctx or with the lease, whichever comes first; the lease is handed back when lead returns, so
// lead has to stop all it started before that. What lead returns is logged, and the next term begins after a pause. A term
// that ended by the loss of the lease is no fault of lead's.
func Campaign(ctx context.Context, l *lock.Locker, e Endpoint, lead func(ctx context.Context, token uint64) error) error {
	return campaignFor(ctx, campaign{Locker: l, lead: lead}, e)
}

// Campaign is the function Campaign for a replica that steps aside when it cannot do a leader's work and another could. After a
// term in which something hangs, lead may still be running while another leads; it does not run twice.
func (a *Aside) Campaign(ctx context.Context, e Endpoint, lead func(ctx context.Context, token uint64) error) error {
	defer a.settled(context.WithoutCancel(ctx))
	return campaignFor(ctx, campaign{Locker: a.Lease, aside: a, lead: func(ctx context.Context, token uint64) error {
		return a.during(ctx, token, lead)
	}}, e)
}

func campaignFor(ctx context.Context, c campaign, e Endpoint) error {
	name := c.Options().Name
	if e.GRPC == "" {
		return fmt.Errorf("campaign for %s: %w: no gRPC address", name, ErrBadEndpoint)
	}
	meta, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("campaign for %s: %w: %w", name, ErrBadEndpoint, err)
	}
	c.meta, c.pause = string(meta), pauses.New()
	for ctx.Err() == nil {
		err := c.term(ctx)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("campaign for %s: %w", name, err)
		}
	}
	return nil
}

type campaign struct {
	*lock.Locker
	aside *Aside // nil: it always stands
	meta  string
	lead  func(ctx context.Context, token uint64) error
	pause *retry.Backoff
}

// term is one time of leading, with the pause after it when it was short. An error ends the campaign.
func (c *campaign) term(ctx context.Context) error {
	held, end, err := c.acquire(ctx)
	defer end()
	if held == nil {
		return err
	}
	began := time.Now()
	o := c.Options()
	log := o.Log.With("lease", o.Name, "token", held.Token())
	log.InfoContext(ctx, "leading", "holder", held.Holder())
	// gofail: var leaseTaken struct{}
	err = c.lead(held.Context(), held.Token())
	lost := held.Check()
	if released := held.Release(ctx); released != nil && lost == nil {
		log.WarnContext(ctx, "lease not handed back", "error", released)
	}
	switch {
	case err != nil && lost == nil && ctx.Err() == nil:
		log.WarnContext(ctx, "leading failed", "error", err)
	default:
		log.InfoContext(ctx, "leading ended", "lost", lost != nil, "error", err)
	}
	if time.Since(began) >= o.TTL {
		c.pause.Reset()
		return nil
	}
	_ = c.pause.Wait(ctx) // Campaign looks at ctx
	return nil
}

// acquire waits for the lease, and returns what is to be called when the term is over. It returns neither lease nor error when the
// replica is not to stand any more.
func (c *campaign) acquire(ctx context.Context) (_ *lock.Held, end func(), _ error) {
	request := lock.Request{Meta: c.meta}
	if c.aside == nil {
		held, err := c.Acquire(ctx, request)
		return held, func() {}, err
	}
	standing, elected, end := c.aside.stand(ctx)
	held, err := c.Acquire(standing, request)
	elected()
	if err != nil && standing.Err() != nil && ctx.Err() == nil {
		return nil, end, nil
	}
	return held, end, err
}
