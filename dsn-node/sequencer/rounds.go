package sequencer

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"blindseq/dsn-node/internal/identity"
	"blindseq/dsn-node/internal/ordered"
	"blindseq/dsn-node/sequencer/internal/convictions"
	"blindseq/dsn-node/sequencer/internal/core"
	"blindseq/dsn-node/sequencer/internal/recovery"
	"blindseq/dsn-node/sequencer/internal/rounds"
	"blindseq/kit/host"
	"blindseq/kit/ops"
	"blindseq/kit/roles"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/sync/errgroup"
)

// maxBackoff is the longest pause between two calls to a keyholder that does not answer.
const maxBackoff = 2 * time.Second

// keyholderRounds is the part of the sequencer that talks to keyholders. A nil one is a sequencer without them.
type keyholderRounds struct {
	committee *committee.Committee
	order     *ordered.Order
	rules     timedRules // order, measured
	driver    *rounds.Driver
	core      *core.Core
	clients   []keyholderv1.KeyholderServiceClient
	timeout   time.Duration
	health    *ops.Health
	log       *slog.Logger
	recovered chan struct{} // closed when the log holds all that keyholders attested

	mu      sync.Mutex
	waiting string
}

// newRounds opens what rounds need, through the program's host.
func newRounds(cfg Config, h *host.Host) (_ *keyholderRounds, err error) {
	r := &keyholderRounds{timeout: cfg.KeyholderTimeout, health: h.Health, log: h.Log, recovered: make(chan struct{})}
	if r.committee, err = committee.Read(cfg.CommitteeFile); err != nil {
		return nil, err
	}
	key, err := readKey(cfg, r.committee)
	if err != nil {
		return nil, err
	}
	r.order = ordered.New(r.committee)
	keyholders, err := r.dial(cfg, h)
	if err != nil {
		return nil, err
	}
	book, err := host.Open(h, "evidence", func() (*convictions.Book, error) {
		return convictions.Open(filepath.Join(cfg.DataDir, "evidence"), r.committee, h.Log)
	})
	if err != nil {
		return nil, err
	}
	m := newRoundMetrics(h.Registry, cfg.Keyholders)
	r.rules = timedRules{r.order, m}
	r.driver, err = rounds.NewDriver(rounds.Options{
		Committee: r.committee, Key: key, Keyholders: keyholders, Preblock: r.preblock, Sealed: r.order.Sealed, Cases: book,
		Observer: m, Waiting: func(reason string) { r.setWaiting(h.Health, reason) },
		Away:        func(text string) { h.Health.Note("keyholders", text) },
		CallTimeout: cfg.KeyholderTimeout, MaxBackoff: maxBackoff, Log: h.Log,
	})
	if err != nil {
		return nil, err
	}
	r.setWaiting(h.Health, "no keyholder was reached yet")
	return r, nil
}

// errNotSequencer says that the key is not that of the committee's sequencer.
var errNotSequencer = errors.New("the key is not the sequencer's of the committee")

// readKey reads the key that signs proposals.
func readKey(cfg Config, c *committee.Committee) (*ecdsa.PrivateKey, error) {
	passphrase, err := identity.ReadPassphrase(cfg.PassphraseFile)
	defer clear(passphrase)
	if err != nil {
		return nil, err
	}
	key, err := identity.Read(cfg.IdentityFile, passphrase)
	if err != nil {
		return nil, err
	}
	if got, want := crypto.PubkeyToAddress(key.PublicKey), c.Owner(0); got != want {
		return nil, fmt.Errorf("read identity key %s: %w: its address is %s, the committee file names %s", cfg.IdentityFile, errNotSequencer, got, want)
	}
	return key, nil
}

func (r *keyholderRounds) dial(cfg Config, h *host.Host) ([]rounds.Keyholder, error) {
	var out []rounds.Keyholder
	for _, target := range cfg.Keyholders {
		conn, err := h.Dial(target, roles.Keyholder)
		if err != nil {
			return nil, fmt.Errorf("reach keyholder: %w", err)
		}
		client := keyholderv1.NewKeyholderServiceClient(conn)
		r.clients = append(r.clients, client)
		out = append(out, rounds.Keyholder{Name: target, Client: client})
	}
	return out, nil
}

// timedRules measures the check of contents with sealed transactions.
type timedRules struct {
	*ordered.Order
	m *roundMetrics
}

func (r timedRules) Check(c *preblockv1.Content) error {
	if ordered.HasSealed(c) {
		began := time.Now()
		defer func() { r.m.Phase(rounds.PhaseCheck, time.Since(began)) }()
	}
	return r.Order.Check(c)
}

// over sets the core whose log the rounds continue.
func (r *keyholderRounds) over(c *core.Core) {
	if r != nil {
		r.core = c
	}
}

func (r *keyholderRounds) preblock(number uint64) (*preblockv1.Preblock, error) {
	return r.core.Preblock(number)
}

// First is the first number that has a round.
func (r *keyholderRounds) First() uint64 { return r.committee.First }

// Decide runs one round.
func (r *keyholderRounds) Decide(ctx context.Context, c *preblockv1.Content) (*preblockv1.Preblock, error) {
	d, err := r.driver.Decide(ctx, c)
	if err != nil {
		return nil, err
	}
	return &preblockv1.Preblock{Certificate: d.Certificate, Outcomes: d.Outcomes}, nil
}

// Final is the newest content that became final with something to open; no channel without keyholders.
func (r *keyholderRounds) Final() (newest *preblockv1.Final, changed <-chan struct{}) {
	if r == nil {
		return nil, nil
	}
	return r.driver.Final()
}

func (r *keyholderRounds) setWaiting(health *ops.Health, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = reason
	health.Set("keyholders", reason)
}

// Waiting says why no preblock can be fixed now.
func (r *keyholderRounds) Waiting() string {
	if r == nil {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting
}

// run talks to the keyholders until ctx ends.
func (r *keyholderRounds) run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { return r.driver.Run(ctx) })
	g.Go(func() error { return r.recover(ctx) })
	return g.Wait()
}

// recover brings the log up to what keyholders attested, and lets proposals in.
func (r *keyholderRounds) recover(ctx context.Context) error {
	r.health.Set("log", "keyholders are asked whether they attested more than is here")
	err := recovery.Run(ctx, recovery.Options{
		Committee: r.committee, Clients: r.clients, Log: recoveredLog{r}, Timeout: r.timeout, Logger: r.log,
		Waiting: func(reason string) { r.health.Set("log", reason) },
	})
	if err == nil && ctx.Err() == nil {
		r.health.Set("log", "")
		close(r.recovered)
	}
	return err
}

// ready returns when proposals may come in.
func (r *keyholderRounds) ready(ctx context.Context) error {
	if r == nil {
		return nil
	}
	select {
	case <-r.recovered:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// recoveredLog is the log as recovery sees it.
type recoveredLog struct{ r *keyholderRounds }

func (l recoveredLog) Accepted() uint64 { return l.r.core.Accepted() }

func (l recoveredLog) Fixed(ctx context.Context, number uint64) (common.Hash, error) {
	s, err := l.r.core.Subscribe(number)
	if err != nil {
		return common.Hash{}, err
	}
	defer s.Close()
	if _, err := s.Next(ctx); err != nil {
		return common.Hash{}, err
	}
	return l.r.driver.PayloadHash(number)
}

func (l recoveredLog) Check(c *preblockv1.Content) error { return l.r.core.Check(c) }

func (l recoveredLog) Submit(ctx context.Context, c *preblockv1.Content) error {
	_, err := l.r.core.Submit(ctx, core.Proposal{Content: c, Recovered: true})
	return err
}
