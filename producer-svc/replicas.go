package producer

import (
	"context"
	"crypto/ed25519"
	"errors"

	"blindseq/kit/content"
	"blindseq/producer-svc/internal/bundles"
	"blindseq/producer-svc/internal/replicate"
	"blindseq/producer-svc/internal/txstore"
	replicationv1 "blindseq/proto/blindseq/replication/v1"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/txpool/legacypool"
	"google.golang.org/grpc"
)

// shortDegrade as --ack-short acknowledges without standbys.
const shortDegrade = "degrade"

// replicate builds both sides of replication: the hub for when this replica leads, the standby for when it does not.
func (s *Service) replicate(leading *grpc.ClientConn) {
	s.peers = replicationv1.NewReplicationServiceClient(leading)
	s.hub = replicate.NewHub(replicate.Policy{
		Replicas: s.cfg.AckReplicas, Timeout: s.cfg.AckTimeout, Degrade: s.cfg.AckShort == shortDegrade,
	}, s.metrics.alone.Inc, s.log)
	s.disk.store.ConfirmWith(s.hub.Confirm)
	s.standby = &replicate.Standby{
		Client: s.peers, Leader: s.leaderToFollow, Hello: s.hello(), Log: s.log,
		Own: standbyStore{Store: s.disk.store, keeper: s.disk.keeper, bundles: s.bundles, named: s.disk.chain.NamedIn, included: s.disk.chain.Included},
	}
}

// leaderToFollow is who else leads; nobody while this replica has the lease.
func (s *Service) leaderToFollow() (who string, changed <-chan struct{}) {
	moved := s.directory.Changed()
	now, turned := s.makes.stance.get()
	if now != standing {
		return "", turned
	}
	other, led := s.otherLeads()
	if !led {
		return "", moved
	}
	return other.ID(), moved
}

// hello says who this replica is.
func (s *Service) hello() *replicationv1.Hello {
	h := &replicationv1.Hello{Replica: s.endpoint.ID(), ChainId: s.disk.chain.ChainID()}
	if genesis, ok := s.disk.chain.HashOf(0); ok {
		h.GenesisHash = genesis[:]
	}
	if s.disk.key != nil {
		h.SequencerKey, _ = s.disk.key.Public().(ed25519.PublicKey) // that is its type
	}
	return h
}

// replication is the ReplicationService of this replica.
func (s *Service) replication() *replicate.Server {
	return &replicate.Server{
		Hub: s.hub, Store: s.disk.store, Hello: s.hello(), Locked: s.disk.store.Locked, Take: s.take,
		Token: func() uint64 { return max(s.disk.log.LastToken(), s.standby.Token()) },
	}
}

// take takes what another replica was sent, or acknowledged when it led.
func (s *Service) take(ctx context.Context, entries []*replicationv1.Entry) ([]*replicationv1.SubmitResult, error) {
	if !s.makes.leading.Load() {
		return nil, replicate.ErrNotLeading
	}
	results := make([]*replicationv1.SubmitResult, len(entries))
	var sent lane
	for i, e := range entries {
		if e.GetKind() == replicationv1.Kind_KIND_DELAYED {
			hash, err := s.pool.AddDelayed(ctx, e.GetRaw())
			results[i] = s.result(common.Hash(hash), err)
			continue
		}
		sent.add(i, e.GetRaw())
	}
	if len(sent.raws) == 0 {
		return results, nil
	}
	hashes, errs := s.admitted(ctx, sent.raws)
	for j, i := range sent.from {
		results[i] = s.result(hashes[j], errs[j])
	}
	return results, nil
}

func (s *Service) result(hash common.Hash, err error) *replicationv1.SubmitResult {
	r := &replicationv1.SubmitResult{Hash: hash[:]}
	if err == nil {
		return r
	}
	r.Error, r.Code = err.Error(), int32(codeOf(err))
	r.Known, r.Again = s.has(hash, err), passes(err)
	for _, full := range []error{txstore.ErrPoolFull, txstore.ErrFull, bundles.ErrFull, legacypool.ErrTxPoolOverflow} {
		r.Again = r.GetAgain() || errors.Is(err, full)
	}
	return r
}

// standbyStore is the transaction store as a standby fills it.
type standbyStore struct {
	*txstore.Store
	keeper   *txstore.Keeper
	bundles  *bundles.Pool // nil when nothing is encrypted
	named    func(common.Hash) (uint64, bool, error)
	included func(common.Hash) (uint64, bool)
}

// Keep leaves out what is in an applied block. What gets into one in between is found when this replica leads.
func (k standbyStore) Keep(changes []txstore.Change) error {
	var kept []txstore.Change
	var plain []txstore.Tx
	var encrypted [][]byte
	for _, one := range changes {
		if one.Kind == txstore.ChangeEnded {
			kept = append(kept, one)
			continue
		}
		hash := common.Hash(content.Keccak(one.Raw))
		if ordered, err := k.ordered(hash); err != nil || ordered {
			if err != nil {
				return err
			}
			continue
		}
		kept = append(kept, one)
		switch one.Kind {
		case txstore.ChangeTransaction:
			plain = append(plain, txstore.Tx{Hash: hash, Raw: one.Raw})
		case txstore.ChangeBundle:
			encrypted = append(encrypted, one.Raw)
		}
	}
	if err := k.Store.Keep(kept); err != nil {
		return err
	}
	if err := k.keeper.Offered(plain); err != nil || k.bundles == nil {
		return err
	}
	return k.bundles.Adopt(encrypted)
}

func (k standbyStore) ordered(hash common.Hash) (bool, error) {
	if _, ok := k.included(hash); ok {
		return true, nil
	}
	_, ok, err := k.named(hash)
	return ok, err
}

// SetLocked takes over the leader's lock of the pool.
func (k standbyStore) SetLocked(locked bool, reason string) error {
	if now, why := k.Locked(); now == locked && why == reason {
		return nil
	}
	return k.Store.SetLocked(locked, reason)
}
