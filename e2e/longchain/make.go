// Package longchain makes chains of millions of blocks in minutes, with the product's own packages, and measures what becomes of
// the programs over them: the time of a start, memory, disk, and how fast a replica comes from nothing.
package longchain

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"blindseq/dsn-node/offline/keygen"
	"blindseq/e2e/load"
	"blindseq/kit/content"
	"blindseq/kit/wal"
	"blindseq/producer-svc/chainmaker"
	"blindseq/producer-svc/devaccounts"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Options of a chain.
type Options struct {
	Keys      *keygen.Files // of the committee that certifies it
	Sequencer string        // data directory of the sequencer; must be empty
	Producer  string        // data directory of a producer; must be empty
	Blocks    uint64
	Transfers int // in each block
	Progress  func(blocks uint64)
}

// Made is the last block of a chain.
type Made struct {
	Number     uint64
	Hash, Root common.Hash
}

// perSecond is how many blocks have the same timestamp.
const perSecond = 20

// Make makes a chain: the sequencer's logs with certificates, and a producer's log and state. The development accounts pay.
func Make(ctx context.Context, o Options) (made Made, err error) {
	m, err := newMaker(o)
	if err != nil {
		return made, fmt.Errorf("make a long chain: %w", err)
	}
	defer func() { err = errors.Join(err, m.close()) }()
	g, ctx := errgroup.WithContext(ctx)
	inOrder, work := make(chan *block, 256), make(chan *block)
	g.Go(func() error {
		defer close(inOrder)
		defer close(work)
		return m.execute(ctx, inOrder, work)
	})
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error { return m.certify(work) })
	}
	g.Go(func() error { return m.store(ctx, inOrder) })
	if err := g.Wait(); err != nil {
		return made, fmt.Errorf("make a long chain: %w", err)
	}
	head := m.producer.Head()
	return Made{Number: head.Number, Hash: head.Hash, Root: m.root}, nil
}

// block is a preblock on its way to the sequencer's logs.
type block struct {
	preblock  *preblockv1.Preblock
	statement attest.Statement
	certified chan struct{}
}

type maker struct {
	o          Options
	committee  *committee.Committee
	identities []*ecdsa.PrivateKey // of a quorum
	accounts   []*load.Account
	producer   *chainmaker.Maker
	proposals  *wal.Log
	decisions  *wal.Log
	root       common.Hash
}

func newMaker(o Options) (m *maker, err error) {
	m = &maker{o: o}
	if m.committee, err = committee.Read(o.Keys.Committee); err != nil {
		return nil, err
	}
	for _, path := range o.Keys.Identities[:m.committee.Quorum()] {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		key, err := crypto.HexToECDSA(strings.TrimPrefix(strings.TrimSpace(string(text)), "0x"))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		m.identities = append(m.identities, key)
	}
	funded, err := devaccounts.All()
	if err != nil {
		return nil, err
	}
	for _, a := range funded {
		m.accounts = append(m.accounts, load.NewAccount(a.Key, new(big.Int).SetUint64(m.committee.ChainID)))
	}
	if m.producer, err = chainmaker.Open(o.Producer, slog.New(slog.DiscardHandler)); err != nil {
		return nil, err
	}
	m.proposals, err = wal.Open(filepath.Join(o.Sequencer, "proposals"), wal.Options{FS: wal.Unsynced{}})
	if err == nil {
		m.decisions, err = wal.Open(filepath.Join(o.Sequencer, "decisions"), wal.Options{FS: wal.Unsynced{}})
	}
	if err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

func (m *maker) close() error {
	err := m.producer.Close()
	for _, log := range []*wal.Log{m.proposals, m.decisions} {
		if log != nil {
			err = errors.Join(err, log.Close())
		}
	}
	return err
}

// execute makes the contents and their blocks.
func (m *maker) execute(ctx context.Context, inOrder, work chan<- *block) error {
	begin := time.Now().Add(-time.Duration(m.o.Blocks/perSecond+60) * time.Second).Unix()
	previous := common.Hash{}
	for n := uint64(1); n <= m.o.Blocks; n++ {
		b, err := m.propose(n, begin+int64(n/perSecond), previous)
		if err != nil {
			return err
		}
		previous = b.statement.Hash()
		root, err := m.producer.Add(ctx, b.preblock)
		if err != nil {
			return err
		}
		m.root = root
		for _, to := range []chan<- *block{inOrder, work} {
			select {
			case to <- b:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if m.o.Progress != nil && n%10_000 == 0 {
			m.o.Progress(n)
		}
	}
	return nil
}

func (m *maker) propose(number uint64, at int64, previous common.Hash) (*block, error) {
	head := m.producer.Head()
	c := &preblockv1.Content{
		Number: number, PreviousBlockHash: head.Hash[:], Timestamp: &timestamppb.Timestamp{Seconds: at}, BaseFee: m.producer.BaseFee(),
	}
	for i := range m.o.Transfers {
		from := m.accounts[(int(number)+i)%len(m.accounts)]
		tx, err := from.Transfer(common.BigToAddress(new(big.Int).SetUint64(1<<32 + number%10_000)))
		if err != nil {
			return nil, err
		}
		raw, err := tx.MarshalBinary()
		if err != nil {
			return nil, err
		}
		c.Transactions = append(c.Transactions, raw)
	}
	statement := attest.StatementOf(m.committee, c, previous)
	hash := content.Hash(statement.Content)
	return &block{
		preblock: &preblockv1.Preblock{
			Content: c, ContentHash: hash[:], RequestId: fmt.Sprintf("longchain-%d", number), Attempt: 1,
			Certificate: &preblockv1.Certificate{}, // for who makes the record; its own comes later
		},
		statement: statement, certified: make(chan struct{}),
	}, nil
}

// certify signs what a quorum of keyholders sign.
func (m *maker) certify(work <-chan *block) error {
	for b := range work {
		var attestations, locks []*preblockv1.Attestation
		for i, key := range m.identities {
			signed, err := b.statement.Sign(key, uint8(i), 0)
			if err != nil {
				return err
			}
			lock, err := b.statement.Lock(key, uint8(i), 0)
			if err != nil {
				return err
			}
			attestations, locks = append(attestations, signed.GetAttestation()), append(locks, lock)
		}
		b.preblock.Certificate = attest.Final(b.statement.Certificate(0, attestations), locks)
		close(b.certified)
	}
	return nil
}

// store writes the sequencer's logs.
func (m *maker) store(ctx context.Context, inOrder <-chan *block) error {
	for b := range inOrder {
		select {
		case <-b.certified:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		p := b.preblock
		proposal := &preblockv1.Preblock{Content: p.GetContent(), ContentHash: p.GetContentHash(), RequestId: p.GetRequestId(), Attempt: p.GetAttempt()}
		decision := &preblockv1.Preblock{Certificate: p.GetCertificate()}
		if err := appendTo(m.proposals, p.GetContent().GetNumber(), proposal); err != nil {
			return err
		}
		if err := appendTo(m.decisions, p.GetContent().GetNumber(), decision); err != nil {
			return err
		}
	}
	return nil
}

func appendTo(log *wal.Log, number uint64, p *preblockv1.Preblock) error {
	raw, err := proto.Marshal(p)
	if err != nil {
		return err
	}
	return log.Append(number, raw)
}
