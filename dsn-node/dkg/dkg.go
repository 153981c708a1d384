// Package dkg is a participant of a distributed key generation as a process: keyholders to be make a threshold key together
// that none of them ever holds. Package ceremony decides; here are the network, the clock and the disk.
//
// It guarantees that the result is on disk whole or not at all, that it was durable before the others learned so, and
// that nothing is at its place unless everyone confirmed the same transcript. A process that is killed leaves at most the
// staging directory, which the next start refuses to overlook.
package dkg

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"blindseq/dsn-node/dkg/internal/ceremony"
	"blindseq/dsn-node/internal/identity"
	"blindseq/kit/grpckit"
	"blindseq/kit/host"
	"blindseq/kit/roles"
	dkgv1 "blindseq/proto/blindseq/dkg/v1"
	"blindseq/seal"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/sync/errgroup"
)

// lingering bounds how long the last messages are tried for when the ceremony is over.
const lingering = 3 * time.Second

// Summary is what a participant can compare with the others.
type Summary struct {
	Authority   uint8
	Share       string // path
	Committee   string // path
	Hash        common.Hash
	Transcript  common.Hash
	Key         seal.Point
	Fingerprint string
}

// String is for the participant to read, and to read out to the others.
func (o *Summary) String() string {
	return fmt.Sprintf("authority    %d\nshare        %s\ncommittee    %s\nhash         %s\ntranscript   %s\nkey          %s\nfingerprint  %s",
		o.Authority, o.Share, o.Committee, o.Hash, o.Transcript, o.Key, o.Fingerprint)
}

// Fingerprint is a short form of a committee's public key: the first 16 bytes of its hash, in groups.
func Fingerprint(key seal.Point) string {
	h := crypto.Keccak256(key[:])
	return fmt.Sprintf("%x %x %x %x %x %x %x %x", h[0:2], h[2:4], h[4:6], h[6:8], h[8:10], h[10:12], h[12:14], h[14:16])
}

// Run takes part in a ceremony until it ends.
func Run(ctx context.Context, cfg Config, log *slog.Logger) (*Summary, error) {
	c, err := ceremony.Read(cfg.CeremonyFile)
	if err != nil {
		return nil, err
	}
	key, passphrase, err := readKeys(cfg)
	defer clear(passphrase)
	if err != nil {
		return nil, err
	}
	d, err := newDriver(ctx, cfg, c, key, log)
	if err != nil {
		return nil, err
	}
	d.stage.passphrase = passphrase
	out, err := d.runAll(ctx)
	return out, errors.Join(err, d.host.Close())
}

func readKeys(cfg Config) (*ecdsa.PrivateKey, []byte, error) {
	passphrase, err := identity.ReadPassphrase(cfg.PassphraseFile)
	if err != nil {
		return nil, nil, err
	}
	key, err := identity.Read(cfg.IdentityFile, passphrase)
	return key, passphrase, err
}

func newDriver(ctx context.Context, cfg Config, c *ceremony.Ceremony, key *ecdsa.PrivateKey, log *slog.Logger) (_ *driver, err error) {
	common := cfg.Base()
	common.GRPCAddress = cfg.GRPCAddress
	h := host.New(ctx, common, log)
	defer h.CloseOn(&err)
	if weakness := seal.Weakness(len(c.Participants)); weakness != "" {
		log.WarnContext(ctx, "committee is small; use four participants or more", "weakness", weakness)
	}
	st, err := newStage(cfg.Out)
	if err != nil {
		return nil, err
	}
	m, err := ceremony.New(c, key, rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("take part in ceremony: %w", err)
	}
	h.Defer("secrets", func() error { m.Erase(); return nil })
	d := &driver{
		host: h, state: m, stage: st, log: log, received: make(chan received), delivered: make(chan uint8), ended: make(chan struct{}),
		timeouts: map[bool]time.Duration{true: cfg.StartTimeout, false: cfg.PhaseTimeout},
	}
	for i, participant := range c.Participants {
		if uint8(i) == m.Self() {
			continue
		}
		conn, err := h.Dial(participant.Endpoint, roles.Keyholder)
		if err != nil {
			return nil, fmt.Errorf("reach participant %d: %w", i, err)
		}
		d.outboxes = append(d.outboxes, newOutbox(uint8(i), len(c.Participants), dkgv1.NewCeremonyServiceClient(conn), log))
	}
	if d.server, err = h.GRPC(grpckit.ServerConfig{Errors: codesOfErrors()}); err != nil {
		return nil, err
	}
	dkgv1.RegisterCeremonyServiceServer(d.server.Registrar(), d)
	return d, nil
}

// runAll serves, sends and decides, and ends all three in the reverse order.
//
//	gRPC server ──▶ driver (ceremony.Next) ──▶ an outbox for each other participant
//	                        └──▶ stage
func (d *driver) runAll(ctx context.Context) (*Summary, error) {
	// These outlive ctx: a participant that is stopped still has to say so.
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	var served errgroup.Group
	var sent sync.WaitGroup
	served.Go(func() error { return d.server.Run(serving) })
	sending, stopSending := context.WithCancel(serving)
	defer stopSending()
	for _, o := range d.outboxes {
		sent.Go(func() { o.run(sending, d.ended, d.delivered) })
	}

	d.log.InfoContext(ctx, "taking part in key generation", "ceremony", d.state.ID(), "authority", d.state.Self(), "grpc", d.server.Addr())
	d.decide(ctx)
	stop := time.AfterFunc(lingering, stopSending)
	defer stop.Stop()
	sent.Wait()
	stopServing()
	return d.summary, errors.Join(d.err, served.Wait())
}
