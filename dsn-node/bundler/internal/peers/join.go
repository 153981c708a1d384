package peers

import (
	"context"
	"time"

	"blindseq/kit/retry"
	bundlerv1 "blindseq/proto/blindseq/bundler/v1"

	"github.com/ethereum/go-ethereum/common"
)

// joinEvery is how often the others are asked until all have joined and none keeps what is this bundler's.
const joinEvery = 500 * time.Millisecond

// Run has all others join, until that is done and on the disk or ctx ends. Its error is that the disk failed.
func (p *Peers) Run(ctx context.Context) error {
	for {
		done, err := p.done()
		if err != nil {
			return err
		}
		if done {
			<-ctx.Done()
			return nil
		}
		for i, other := range p.others {
			p.join(ctx, i, other)
		}
		if done, err = p.done(); !done && err == nil && retry.Sleep(ctx, joinEvery) != nil {
			return nil
		}
	}
}

// done says whether nobody has to be asked any more, and keeps that.
func (p *Peers) done() (bool, error) {
	if p.Unjoined() > 0 || p.Strays() > 0 {
		return false, nil
	}
	list, err := p.Box.Joined()
	if err != nil || list == p.List.hash {
		return err == nil, err
	}
	if err := p.Box.Join(p.List.hash); err != nil {
		return false, err
	}
	p.Log.Info("all bundlers have joined", "list", p.List.hash, "bundlers", len(p.List.members))
	return true, nil
}

// join asks a member what it keeps of the accounts whose home this is. It takes nothing of the others any more, so that an answer holds
// for ever.
func (p *Peers) join(ctx context.Context, i int, other *remote) {
	bounded, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	answer, err := other.api.Join(bounded, &bundlerv1.JoinRequest{ListHash: p.List.hash[:], Name: p.List.members[p.List.self].name})
	if err != nil {
		p.Log.DebugContext(ctx, "bundler has not joined", "peer", other.name, "error", err)
		return
	}
	p.Box.Ordered(answer.GetOrdered())
	kept := map[common.Address]bool{}
	for _, account := range answer.GetAccounts() {
		kept[common.BytesToAddress(account)] = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for account, keeper := range p.strays {
		if keeper == i && !kept[account] {
			delete(p.strays, account)
		}
	}
	if !p.joined[i] {
		for account := range kept {
			p.strays[account] = i
		}
	}
	p.joined[i] = true
}

// Unjoined is how many others have not joined. While there are any, this bundler takes nothing.
func (p *Peers) Unjoined() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.others) - len(p.joined)
}

// Strays are the accounts of this home that another bundler keeps transactions of.
func (p *Peers) Strays() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.strays)
}
