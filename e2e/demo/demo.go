// Package demo shows what blindseq is for. A bot attacks the swaps of a victim on a small exchange: it buys in front of each and sells
// behind it (a sandwich). The victim sends each swap twice, plain and sealed, at the same prices. The bot is the same in both lanes.
//
// Everything is real: the program of make run, signed transactions, contracts on its chain; all figures are read from the chain.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"blindseq/e2e/oneprocess"
	"blindseq/kit/retry"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
	"golang.org/x/sync/errgroup"
)

// Options are what a run is made of.
type Options struct {
	Devnet    string        // the program
	Dir       string        // for its data and log
	Rounds    int           // in each lane
	BlockTime time.Duration // between two blocks
	Tolerance int64         // what the victim accepts less than it was quoted, in hundredths of a percent
}

// Run plays all rounds on a devnet of its own and prints each.
func Run(ctx context.Context, o Options, out io.Writer) (rounds []Round, err error) {
	fmt.Fprintf(out, "Starting a devnet with a block every %s.\n", o.BlockTime)
	d, err := oneprocess.Start(ctx, o.Devnet, o.Dir, "--preblock-time", o.BlockTime.String())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Stop()) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := newStage(ctx, o, d)
	if err != nil {
		return nil, err
	}
	parts, ctx := errgroup.WithContext(ctx)
	parts.Go(func() error { return s.bot.run(ctx) })
	parts.Go(func() error { return s.traffic(ctx, o.BlockTime/5) })
	parts.Go(func() (err error) {
		defer cancel() // ends the others
		rounds, err = s.playAll(ctx, o.Rounds, out)
		return err
	})
	if err := parts.Wait(); err != nil {
		return nil, err
	}
	return rounds, nil
}

// newStage connects to a devnet, opens the market and wakes the bot.
func newStage(ctx context.Context, o Options, d *oneprocess.Devnet) (*stage, error) {
	var sockets []*rpc.Client
	var wallets []*ethclient.Client // HTTP: a call for a receipt is held until its block
	for _, at := range []string{d.Plain, d.Sealed} {
		socket, err := rpc.DialContext(ctx, "ws://"+at+"/ws")
		if err != nil {
			return nil, fmt.Errorf("connect to the devnet: %w", err)
		}
		context.AfterFunc(ctx, socket.Close)
		wallet, err := ethclient.DialContext(ctx, "http://"+at)
		if err != nil {
			return nil, fmt.Errorf("connect to the devnet: %w", err)
		}
		context.AfterFunc(ctx, wallet.Close)
		sockets, wallets = append(sockets, socket), append(wallets, wallet)
	}
	plain, sealed := wallets[0], wallets[1]
	chainID, err := plain.ChainID(ctx)
	if err != nil {
		return nil, fmt.Errorf("get the chain id: %w", err)
	}
	s := &stage{
		sender: &sender{client: plain, chainID: chainID}, tolerance: o.Tolerance, pause: o.BlockTime,
		lanes: map[Lane]*ethclient.Client{Plain: plain, Sealed: sealed},
	}
	if s.committee, err = committee.Read(d.Committee); err != nil {
		return nil, err
	}
	if s.who, err = newPeople(chainID); err != nil {
		return nil, err
	}
	if s.market, err = openMarket(ctx, s.sender, s.who); err != nil {
		return nil, err
	}
	s.bot, err = newBot(ctx, s.sender, s.market, s.who.bot, sockets...)
	return s, err
}

// traffic sends transfers of somebody else until ctx ends, so that blocks follow each other as on a chain that is used: a swap waits
// in the pool for its block.
func (s *stage) traffic(ctx context.Context, every time.Duration) error {
	for retry.Sleep(ctx, every) == nil {
		tx, err := s.sign(s.who.other, &s.who.other.Address, nil, 21_000, trafficTip)
		if err == nil {
			err = s.client.SendTransaction(ctx, tx)
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("send a transfer: %w", err)
		}
	}
	return nil
}

// playAll plays each round in both lanes, with the same amount.
func (s *stage) playAll(ctx context.Context, n int, out io.Writer) (rounds []Round, err error) {
	for i := range n {
		for _, lane := range []Lane{Plain, Sealed} {
			r, err := s.play(ctx, lane, amount(i))
			if err != nil {
				return nil, fmt.Errorf("round %d, %s: %w", i+1, lane, err)
			}
			rounds = append(rounds, r)
			fmt.Fprintln(out, r.line(i+1))
		}
	}
	return rounds, nil
}

// amount is what the victim pays in a round, between 1 and 5 hundredths of the pool's cash, the same in every run.
func amount(round int) *big.Int {
	return new(big.Int).Add(units(100_000), units(int64(round*7919%41)*10_000))
}
