// Package peers lets several bundlers of one operator stand behind one address. Each account has one bundler that keeps its transactions:
// its home, which follows from the list of bundlers. What a wallet sends to another one is passed on to the home, and so is a question
// about a pending nonce; a transaction is looked for in all of them.
//
// It guarantees that for each nonce of an account one bundler decides, whichever a wallet is sent to: no nonce is handed out twice, and
// no two contents of one are sealed. While the home does not answer, nothing of its accounts is taken.
//
// Another list gives some accounts another home. A bundler takes nothing as a home before all others have said that they have the same
// list, and what they still keep of its accounts (Join). Of such an account everything goes to the one that keeps it, until that one keeps
// nothing of it any more: from then on it takes nothing of it, for as long as it has this list. A bundler that has to be removed is named
// as leaving first.
//
// It asks of operators that all bundlers have one list, and that no bundler runs that is not in it.
package peers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"blindseq/dsn-node/bundler/internal/bundling"
	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/kit/fitness"
	"blindseq/kit/retry"
	bundlerv1 "blindseq/proto/blindseq/bundler/v1"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc"
)

var (
	// ErrAway says that a bundler does not answer which has to: what was asked of it may have been done.
	ErrAway = errors.New("the bundler that keeps this account's transactions does not answer")
	// ErrJoining says that not all bundlers have joined. Nothing was done.
	ErrJoining error = joining{}
	// ErrApart says that a transaction has authorisations of accounts that another bundler keeps.
	ErrApart = errors.New("the sender and an account that authorises (EIP-7702) are kept by different bundlers, and no one bundler can " +
		"tell whether all their nonces are due: seal it yourself")
	// errElsewhere says that this bundler is not an account's home.
	errElsewhere = errors.New("this bundler is not the home of the account")
)

type joining struct{}

func (joining) Error() string { return "not all bundlers have joined" }

// Is makes it an ErrAway.
func (joining) Is(target error) bool { return target == ErrAway }

// Local is the bundler of this process.
type Local interface {
	Send(ctx context.Context, raw []byte) (common.Hash, error)
	SendHeld(ctx context.Context, raw []byte) (common.Hash, error)
	Accounts(raw []byte) ([]common.Address, error)
	NextNonce(ctx context.Context, account common.Address) (uint64, error)
	Look(ctx context.Context, hash common.Hash, placed bool) (bundling.Found, error)
	Standing(hash common.Hash) outbox.Standing
	Watch(hash common.Hash) (changed func() <-chan struct{}, forget func())
}

// Box is what the local bundler keeps.
type Box interface {
	Keeps(account common.Address) bool
	Kept() []common.Address
	Ordered(number uint64)
	LastOrdered() uint64
	Join(list common.Hash) error
	Joined() (common.Hash, error)
}

// Options of Peers; all are needed.
type Options struct {
	List    *List
	Local   Local
	Box     Box
	Dial    func(address string) (*grpc.ClientConn, error)
	Timeout time.Duration // of what is passed on
	Log     *slog.Logger
}

// Peers are the bundlers of a list, as one. The methods may be called from any goroutine.
type Peers struct {
	Options
	others  map[int]*remote
	reach   []fitness.Check
	watches watches

	mu     sync.Mutex
	joined map[int]bool
	strays map[common.Address]int // accounts of this home that another member keeps transactions of
}

// New makes the clients of the others; nothing is sent yet.
func New(o Options) (*Peers, error) {
	p := &Peers{Options: o, watches: watches{byHash: map[common.Hash]*watch{}}, others: map[int]*remote{}, joined: map[int]bool{}, strays: map[common.Address]int{}}
	for _, i := range o.List.others() {
		calls, err := o.Dial(o.List.members[i].address)
		if err != nil {
			return nil, err
		}
		streams, err := o.Dial(o.List.members[i].address)
		if err != nil {
			return nil, err
		}
		p.reach = append(p.reach, fitness.Reach("bundler "+o.List.members[i].name, calls))
		p.others[i] = &remote{
			name: o.List.members[i].name, api: bundlerv1.NewPeerServiceClient(calls), streams: bundlerv1.NewPeerServiceClient(streams),
			timeout: o.Timeout * 5 / 4, log: o.Log, // it may take as long as a wallet's call may, and be answered then
		}
	}
	return p, p.begin()
}

// Reach is how to find out whether the others are reached.
func (p *Peers) Reach() []fitness.Check { return p.reach }

// begin knows from before a restart that all have joined this list. Another list is forgotten before anybody hears that this bundler
// has this one: should it get the other one again, the others must join that again.
func (p *Peers) begin() error {
	list, err := p.Box.Joined()
	switch {
	case err != nil:
		return err
	case list == p.List.hash:
		for i := range p.others {
			p.joined[i] = true
		}
	case list != common.Hash{}:
		return p.Box.Join(common.Hash{})
	}
	return nil
}

// Send takes a raw transaction, here or at the home of its sender, and answers its hash. A repeat is a success.
func (p *Peers) Send(ctx context.Context, raw []byte) (hash common.Hash, err error) {
	accounts, err := p.Local.Accounts(raw)
	if err != nil {
		return hash, err
	}
	if err := p.together(accounts); err != nil {
		return hash, err
	}
	if home := p.List.home(accounts[0]); home != p.List.self {
		return p.others[home].send(ctx, raw, false)
	}
	return p.sendHome(ctx, raw, accounts)
}

// together refuses a transaction of accounts that have different homes.
func (p *Peers) together(accounts []common.Address) error {
	for _, one := range accounts[1:] {
		if p.List.home(one) != p.List.home(accounts[0]) {
			return ErrApart
		}
	}
	return nil
}

// sendHome takes a transaction whose sender's home this is, or has that bundler take it which keeps others of it.
func (p *Peers) sendHome(ctx context.Context, raw []byte, accounts []common.Address) (hash common.Hash, err error) {
	err = p.asHome(ctx, accounts, func() error {
		hash, err = p.Local.Send(ctx, raw)
		return err
	}, func(keeper *remote) error {
		hash, err = keeper.send(ctx, raw, true)
		return err
	})
	return hash, err
}

// NextNonce is the first nonce of an account that neither a block uses nor what waits, here or in the account's home.
func (p *Peers) NextNonce(ctx context.Context, account common.Address) (uint64, error) {
	if home := p.List.home(account); home != p.List.self {
		return p.others[home].nextNonce(ctx, account, false)
	}
	return p.nextNonceHome(ctx, account)
}

func (p *Peers) nextNonceHome(ctx context.Context, account common.Address) (nonce uint64, err error) {
	err = p.asHome(ctx, []common.Address{account}, func() error {
		nonce, err = p.Local.NextNonce(ctx, account)
		return err
	}, func(keeper *remote) error {
		nonce, err = keeper.nextNonce(ctx, account, true)
		return err
	})
	return nonce, err
}

// asHome does something as the home of some accounts, or has the bundler do it that still keeps transactions of the first.
func (p *Peers) asHome(ctx context.Context, accounts []common.Address, here func() error, there func(keeper *remote) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	pause := retry.Policy{First: 20 * time.Millisecond, Longest: 500 * time.Millisecond}.New()
	for !p.allJoined() {
		if pause.Wait(ctx) != nil {
			return ErrJoining
		}
	}
	for _, account := range accounts {
		keeper, stray := p.keeperOf(account)
		if !stray {
			continue
		}
		if len(accounts) > 1 {
			return fmt.Errorf("%w: transactions of %s wait at another bundler", ErrJoining, account)
		}
		err := there(keeper)
		nothing := (*nothingKept)(nil)
		if !errors.As(err, &nothing) {
			return err
		}
		p.settle(account, nothing.ordered)
	}
	return here()
}

func (p *Peers) allJoined() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.joined) == len(p.others)
}

func (p *Peers) keeperOf(account common.Address) (*remote, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, stray := p.strays[account]
	return p.others[i], stray
}

// settle notes that nobody else keeps anything of an account. What they kept is executed at a number.
func (p *Peers) settle(account common.Address, ordered uint64) {
	p.Box.Ordered(ordered)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.strays, account)
}
