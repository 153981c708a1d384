// Package steady runs the devnet as a user does, sends it plain and sealed transfers at a steady rate, and says for each minute how
// long they took and how much memory the devnet had: whoever leaves make run alone for an afternoon finds it as it was.
package steady

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"blindseq/e2e/load"
	"blindseq/e2e/oneprocess"
	"blindseq/e2e/usage"
	"blindseq/producer-svc/devaccounts"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
	"golang.org/x/sync/errgroup"
)

// Options of a run.
type Options struct {
	Devnet string        // the program
	Dir    string        // for its data and log
	For    time.Duration // whole minutes, at least 3
	Rate   int           // transfers a second, half of them sealed
	Growth float64       // of the last minute over the second that is an error, 0.1 for a tenth
}

// Minute is what one minute was like.
type Minute struct {
	Plain, Sealed time.Duration // medians, from sending to having the receipt
	Sent          int
	CPU           time.Duration // that the devnet used
	Resident      int64         // bytes, at its end
}

// wallets are how many accounts send in each lane: each waits for its receipt before it sends the next transfer.
const wallets = 4

// receiptTimeout is how long a transfer may take.
const receiptTimeout = 30 * time.Second

// Run runs the devnet under load, prints a line for each minute, and fails when the last one is worse than the second. The first one
// warms up.
func Run(ctx context.Context, o Options, out io.Writer) (minutes []Minute, err error) {
	n := int(o.For / time.Minute)
	if n < 3 || o.Rate < 1 {
		return nil, errors.New("a run has at least 3 minutes, and 1 transfer a second")
	}
	d, err := oneprocess.Start(ctx, o.Devnet, o.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Stop()) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &run{devnet: d}
	senders, sending := errgroup.WithContext(ctx)
	if err := r.start(sending, senders, o.Rate); err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "The devnet has process %d and gets %d transfers a second.\n", d.PID(), o.Rate)
	senders.Go(func() (err error) {
		defer cancel() // ends the others
		minutes, err = r.watch(sending, n, out)
		return err
	})
	if err := senders.Wait(); err != nil {
		return minutes, err
	}
	return minutes, Judge(minutes, o.Growth)
}

// Judge compares the last minute with the second.
func Judge(minutes []Minute, growth float64) (err error) {
	if len(minutes) < 3 {
		return errors.New("there are too few minutes to compare")
	}
	before, after := minutes[1], minutes[len(minutes)-1]
	for _, one := range []struct {
		what          string
		before, after int64
	}{
		{"plain transfers in ns", int64(before.Plain), int64(after.Plain)},
		{"sealed transfers in ns", int64(before.Sealed), int64(after.Sealed)},
		{"resident bytes", before.Resident, after.Resident},
	} {
		if float64(one.after) > float64(one.before)*(1+growth) {
			err = errors.Join(err, fmt.Errorf("%s: %d in the second minute, %d in the last", one.what, one.before, one.after))
		}
	}
	return err
}

// run is a devnet under load.
type run struct {
	devnet *oneprocess.Devnet
	took   [2]samples // of the plain and of the sealed lane
}

// start has the wallets of both lanes send.
func (r *run) start(ctx context.Context, senders *errgroup.Group, rate int) error {
	keys, err := devaccounts.All()
	if err != nil {
		return err
	}
	for lane, at := range []string{r.devnet.Plain, r.devnet.Sealed} {
		client, err := ethclient.DialContext(ctx, "http://"+at)
		if err != nil {
			return fmt.Errorf("connect to the devnet: %w", err)
		}
		context.AfterFunc(ctx, client.Close)
		chainID, err := client.ChainID(ctx)
		if err != nil {
			return fmt.Errorf("get the chain id: %w", err)
		}
		for i := range wallets {
			account := load.NewAccount(keys[lane*wallets+i].Key, chainID)
			senders.Go(func() error {
				return r.send(ctx, client, account, &r.took[lane], 2*wallets*time.Second/time.Duration(rate))
			})
		}
	}
	return nil
}

// send sends transfers of one account, one after the other, at most one every pace, until ctx ends.
func (r *run) send(ctx context.Context, client *ethclient.Client, a *load.Account, took *samples, pace time.Duration) error {
	next := time.NewTicker(pace)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		tx, err := a.Transfer(a.Address)
		if err != nil {
			return err
		}
		began := time.Now()
		if err = client.SendTransaction(ctx, tx); err == nil {
			err = receipt(ctx, client, tx.Hash())
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("transfer %d of %s: %w", tx.Nonce(), a.Address, err)
		}
		took.add(time.Since(began))
	}
}

// receipt waits for a receipt. The devnet holds the call until the block is there, so it is asked again only after that.
func receipt(ctx context.Context, client *ethclient.Client, tx common.Hash) error {
	ctx, cancel := context.WithTimeout(ctx, receiptTimeout)
	defer cancel()
	for {
		if _, err := client.TransactionReceipt(ctx, tx); !errors.Is(err, ethereum.NotFound) {
			return err
		}
	}
}

// watch takes a look at the end of each minute.
func (r *run) watch(ctx context.Context, n int, out io.Writer) (minutes []Minute, err error) {
	before, err := usage.Of(r.devnet.PID())
	if err != nil {
		return nil, err
	}
	every := time.NewTicker(time.Minute)
	defer every.Stop()
	for range n {
		select {
		case <-ctx.Done():
			return minutes, context.Cause(ctx)
		case <-every.C:
		}
		now, err := usage.Of(r.devnet.PID())
		if err != nil {
			return minutes, err
		}
		plain, sealed := r.took[0].take(), r.took[1].take()
		m := Minute{Plain: median(plain), Sealed: median(sealed), Sent: len(plain) + len(sealed), CPU: now.CPU - before.CPU, Resident: now.Resident}
		before, minutes = now, append(minutes, m)
		fmt.Fprintf(out, "minute %3d: %4d transfers, plain p50 %s, sealed p50 %s, processor %4.1f %%, resident %d MiB\n", len(minutes), m.Sent,
			m.Plain.Round(100*time.Microsecond), m.Sealed.Round(100*time.Microsecond), m.CPU.Seconds()/0.6, m.Resident>>20)
	}
	return minutes, nil
}

func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}
