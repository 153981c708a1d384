package producer

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"time"

	"blindseq/kit/fitness"
	"blindseq/kit/grpckit"
	"blindseq/kit/host"
	"blindseq/kit/leader"
	"blindseq/kit/lock"
	"blindseq/kit/memory"
	"blindseq/kit/rediskeys"
	"blindseq/kit/redisx"
	"blindseq/kit/roles"
	"blindseq/producer-svc/contents"
	"blindseq/producer-svc/internal/admission"
	"blindseq/producer-svc/internal/api"
	"blindseq/producer-svc/internal/audit"
	"blindseq/producer-svc/internal/engine"
	"blindseq/producer-svc/internal/feed"
	"blindseq/producer-svc/internal/follow"
	"blindseq/producer-svc/internal/intake"
	"blindseq/producer-svc/internal/leading"
	"blindseq/producer-svc/internal/ledger"
	"blindseq/producer-svc/internal/loop"
	"blindseq/producer-svc/internal/replicate"
	"blindseq/producer-svc/internal/rpc"
	"blindseq/producer-svc/internal/sealedpool"
	"blindseq/producer-svc/internal/sections"
	"blindseq/producer-svc/internal/seqs"
	"blindseq/producer-svc/internal/steps"
	"blindseq/producer-svc/internal/traces"
	"blindseq/producer-svc/logrecord"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"
	replicationv1 "blindseq/proto/blindseq/replication/v1"
	"blindseq/seal/committee"
	"blindseq/seal/rules"

	"go.opentelemetry.io/otel"
	"google.golang.org/grpc"
)

// openSealed opens the pool of sealed transactions when there is a committee to seal for, and reads the window of seqs.
func (s *Service) openSealed() (err error) {
	if s.cfg.CommitteeFile == "" {
		return nil
	}
	if s.committee, err = committee.Read(s.cfg.CommitteeFile); err != nil {
		return err
	}
	if got := s.disk.Chain.ChainID(); got != s.committee.ChainID {
		return fmt.Errorf("read committee %s: it is of chain %d, this is %d", s.cfg.CommitteeFile, s.committee.ChainID, got)
	}
	if err := s.disk.Chain.CheckSealedGas(s.committee.Limits.SealedGas); err != nil {
		return err
	}
	entry, err := s.cfg.entry()
	if err != nil {
		return err
	}
	entry.Relay, entry.Balance = s.committee.IsRelay, s.disk.Chain.Balance
	s.book = admission.NewBook(admission.Config{
		Gas: cmp.Or(s.cfg.SealQuotaGas, s.committee.Limits.SealedGas), Bytes: s.cfg.SealQuotaBytes, Trusted: entry.Trusted,
	})
	if s.seqs, err = seqs.Of(s.committee, s.disk.Log); err != nil {
		return err
	}
	s.sealed = sealedpool.New(sealedpool.Config{
		Store: s.disk.Store, Checker: rules.NewChecker(s.committee), Chain: s.committee.Limits, Window: s.seqs,
		Head:    s.disk.Chain.Number,
		BaseFee: s.disk.Chain.BaseFee, Ordered: s.disk.Chain.NamedIn, Admit: entry.Check, Book: s.book, Arrived: s.pool.Wake.Notify,
		Checked: s.metrics.Checked, Refused: s.metrics.SealedRefused, Judged: s.metrics.Judged,
	})
	return nil
}

// peers are the connections to other services.
type peers struct {
	redis                      *redisx.Client
	proposer, monitor, leading *grpc.ClientConn
}

// connect prepares the connections, and connects the parts over them.
func (s *Service) connect() (err error) {
	if err := rediskeys.CheckChain(s.cfg.Deployment, s.disk.Chain.ChainID()); err != nil {
		return err
	}
	var p peers
	if p.redis, err = host.Redis(s.Host); err != nil {
		return err
	}
	directory := leader.NewDirectory(p.redis, rediskeys.ProducerLease)
	if p.proposer, err = s.Dial(s.cfg.Proposer, roles.Proposer); err != nil {
		return err
	}
	if p.monitor, err = s.Dial(s.cfg.Monitor, roles.Monitor); err != nil {
		return err
	}
	if p.leading, err = s.Dial(leader.Scheme+":///"+rediskeys.ProducerLease, roles.Producer, directory.DialOption()); err != nil {
		return err
	}
	s.monitor = preblockv1.NewMonitorServiceClient(p.monitor)
	if err := s.publishTo(); err != nil {
		return err
	}
	s.candidate = &leading.Candidate{
		Redis: p.redis, Directory: directory, Observer: s.cfg.observes(), Fitness: new(fitness.Fitness),
		Head: func() uint64 { return s.ledger.Head().Number }, Health: s.Health, Log: s.Log,
		Standbys: func() string { last, _ := s.disk.Store.Position(); return s.standbys.Text(last) },
	}
	s.takeTransactions(replicationv1.NewReplicationServiceClient(p.leading))
	if err := s.listen(); err != nil {
		return err
	}
	s.candidate.Lease = s.locker(p.redis, rediskeys.ProducerLease, s.cfg.LeaseTTL)
	s.lock = s.locker(p.redis, rediskeys.ConsumptionLock, s.cfg.LockTTL)
	s.watchFitness(p)
	s.standby.Hello = s.hello()
	return s.produce(p)
}

// locker is a lock in Redis that this replica may hold.
func (s *Service) locker(rdb *redisx.Client, name string, ttl time.Duration) *lock.Locker {
	return lock.New(rdb, lock.Options{Name: name, TTL: ttl, Holder: s.candidate.Endpoint.ID(), Log: s.Log, Guard: lock.Guard{
		Replicas: s.cfg.Lock.Replicas, Timeout: s.cfg.Lock.Timeout,
		Report: s.Health.Reporter("lock "+name, s.metrics.LockReturned(name)),
	}})
}

// watchFitness finds out whether this replica could do the work of a leader.
func (s *Service) watchFitness(p peers) {
	c, replicas := s.candidate, leader.NewRoster(p.redis, rediskeys.ProducerLease)
	checks := []fitness.Check{fitness.Reach("monitor-svc", p.monitor)}
	if !s.cfg.observes() {
		proposers := leader.NewRoster(p.redis, rediskeys.ProposerLease)
		disk := &leader.Disk{Dir: s.cfg.DataDir, Bound: s.cfg.SlowDisk}
		checks = append(checks, fitness.Reach("proposer-svc", p.proposer), disk.Check(), c.Heeds(proposers))
		c.Aside = &leader.Aside{Lease: c.Lease, Fitness: c.Fitness, Roster: replicas, Self: c.Endpoint.ID(), Wait: s.cfg.AsideWait}
		c.Aside.Register(s.Registry)
		if !s.cfg.Development {
			c.Clocks = &leader.Clocks{Redis: p.redis, Roster: replicas, Self: c.Endpoint.ID(), Now: s.cfg.Clock.Now, Drift: max(s.maxDrift(), clocksDiffer)}
			checks = append(checks, c.Clocks.Check())
		}
		s.fitness.add("replicas", replicas.Run)
		s.fitness.add("proposers", proposers.Run)
	}
	s.fitness.add("fitness", func(ctx context.Context) error { return c.Fitness.Watch(ctx, checks...) })
	s.fitness.add("fitness report", c.ReportFitness)
}

// shortDegrade as --ack-short acknowledges without standbys.
const shortDegrade = "degrade"

// takeTransactions connects what clients send with the stores, the leader and the standbys.
func (s *Service) takeTransactions(leader replicationv1.ReplicationServiceClient) {
	s.standbys = replicate.NewStandbys(replicate.Policy{
		Replicas: s.cfg.AckReplicas, Timeout: s.cfg.AckTimeout, Degrade: s.cfg.AckShort == shortDegrade,
	}, s.metrics.AcknowledgedAlone, s.Log)
	s.disk.Store.ConfirmWith(s.standbys.Confirm)
	s.standby = &replicate.Standby{
		Client: leader, Leader: s.candidate.ToFollow, Broken: s.end.Fail, Log: s.Log,
		Own: intake.StandbyStore{
			Store: s.disk.Store, Keeper: s.disk.Keeper, Sealed: s.sealed, Named: s.disk.Chain.NamedIn, Included: s.disk.Chain.Included,
		},
	}
	s.intake = &intake.Intake{
		Transactions: intake.Transactions{
			Plain: s.disk.Keeper, Sealed: s.sealed, Chain: s.disk.Chain, Records: s.disk.Log.Get, Traces: new(traces.Waiting),
		},
		Standbys: s.standbys, Lead: s.candidate, Peers: leader, Stopping: s.stopping.Load,
	}
	s.trackSteps()
}

// trackSteps connects those who follow a transaction with what changes one.
func (s *Service) trackSteps() {
	deps := steps.Deps{
		Status:  s.intake.Status,
		Ordered: intake.Prover{Transactions: s.intake.Transactions, Monitor: s.monitor, Committee: s.committee}.Ordered,
		Index:   s.disk.Chain.Index, Log: s.Log,
	}
	if s.committee != nil {
		deps.Monitor = s.monitor
	}
	s.steps = steps.New(deps)
	s.intake.Accepted, s.ledger.Applied = s.steps.Changed, s.steps.Changed
	s.disk.Store.TellEnded(s.steps.Changed)
}

// listen opens the listeners, and with them decides the addresses at which others find this replica.
func (s *Service) listen() (err error) {
	if s.grpc, err = s.GRPC(grpckit.ServerConfig{Errors: api.StatusCodes()}); err != nil {
		return err
	}
	rollup, err := s.cfg.rollup()
	if err != nil {
		return err
	}
	certificates, err := s.Door("json-rpc", s.cfg.RPCAddress)
	if err != nil {
		return err
	}
	s.rpc, err = host.Open(s.Host, "json-rpc", func() (*rpc.Server, error) {
		prover := intake.Prover{Transactions: s.intake.Transactions, Monitor: s.monitor, Committee: s.committee}
		cfg := rpc.Config{
			Address: s.cfg.RPCAddress, TLS: certificates.Server("http/1.1"), Guard: s.GuardHTTP, Key: rpc.EncryptionKeyOf(s.committee), OrderProof: prover.Proof, Head: s.disk.Chain.Number,
			Count: s.metrics.Asked, Check: s.checkBlueprint, Feed: feed.NewHandler(s.feed, rollup), ReceiptHold: s.cfg.ReceiptHold, Log: s.Log, Steps: s.steps.Follow,
			Limits: rpc.Limits{Computing: s.cfg.ClientComputing},
		}
		if s.cfg.Development {
			cfg.More = s.development
		}
		if s.sealed != nil {
			cfg.NextSeq, cfg.Submitter, cfg.BaseFee = s.sealed.NextSeq, s.sealed.Submitter, s.disk.Chain.BaseFee
		}
		return rpc.NewServer(cfg, s.disk.Chain, s.intake)
	})
	if err != nil {
		return err
	}
	s.Act(leader.HandoverPattern, leader.HandoverHandler(func() *leader.Aside { return s.candidate.Aside }))
	if err := s.Ops(); err != nil {
		return err
	}
	at := &s.candidate.Endpoint
	if at.GRPC, err = s.cfg.AdvertiseAddress(s.grpc.Addr()); err != nil {
		return err
	}
	at.Name = s.cfg.AdvertiseName
	at.RPC, err = s.cfg.AdvertiseAddress(s.rpc.Addr())
	return err
}

// produce connects production: loop and callers over sections, sections over the lock, the services and the engine; and the
// follower over the same engine.
func (s *Service) produce(p peers) error {
	deps := engine.Deps{Log: s.disk.Log, Chain: s.ledger, Delayed: s.pool, Publisher: s.feed, End: s.end, Token: s.standby.Token, False: s.falsely, Final: s.final}
	if s.sealed != nil {
		deps.Check, deps.Decided = s.seqs.Check, s.decided
	}
	s.engine = engine.New(deps)
	performer := sections.NewPerformer(sections.Deps{
		Lock:     sections.ConsumptionLock{Locker: s.lock, Written: s.disk.Log.LastToken, Known: s.standby.Token},
		Proposer: proposalv1.NewProposerServiceClient(p.proposer),
		Monitor:  s.monitor, Engine: s.engine, Now: s.cfg.Clock.Now, Await: s.cfg.EventTimeout,
	})
	observer := sections.Observer{Tracer: otel.Tracer("blindseq/producer-svc"), Ended: s.metrics.SectionEnded, Step: s.metrics.Stepped, Waiting: s.intake.Traces.Take}
	runner := sections.NewRunner(observer.Performer(performer), s.maxDrift(), s.Log)
	s.guard = sections.NewGuard(observer.Sections(runner), func(reason string) { s.Health.Set("production", reason) })
	s.follow = follow.New(follow.Deps{
		Monitor: s.monitor, Engine: s.engine, Alarm: s.guard.Halt, Slog: s.Log, Behind: s.behind,
		Supply: follow.DelayedOf(blueprintv1.NewProducerServiceClient(p.leading)),
	})
	s.audit = audit.New(audit.Deps{
		Leading: blueprintv1.NewProducerServiceClient(p.leading), Follows: s.followsAnother, Head: s.feed.Head,
		Own: s.builder.Unsigned, Key: s.sequencerKey(), Differs: s.differs, Log: s.Log,
	})
	arrived, stop := s.disk.Chain.Work()
	s.Defer("notifications of the pool", func() error { stop(); return nil })
	s.production = leading.New(leading.Deps{
		Sections: s.guard, Known: s.engine.Known, Halted: s.halted, Publisher: s.rollup, Follower: s.follow,
		Keeper: s.disk.Keeper, Sealed: s.sealed, Standbys: s.standbys, End: s.end, MaxWaiting: s.cfg.MaxWaiting,
		Loop: loop.Deps{Pacer: s.pacer, Age: s.feed.Age, Ready: s.proposable, Changed: arrived, Nudged: s.pool.Wake.C()},
	})
	s.candidate.Follower, s.candidate.Production = s.follow, s.production
	return nil
}

// behindGC lets garbage take as much memory as four times what is in use, while nobody waits for an answer but many blocks are made.
const (
	behindGC  = 400
	defaultGC = 100
)

// behind prepares for many blocks in a row, and for few again.
func (s *Service) behind(far bool) {
	if far {
		memory.Relax(behindGC)
	} else {
		memory.Relax(defaultGC)
	}
	if err := s.disk.Chain.Behind(far); err != nil {
		s.end.Fail(err)
	}
}

// decided notes the sealed transactions of a new record.
func (s *Service) decided(rec *blueprintv1.LogRecord) error {
	if err := s.seqs.Add(rec); err != nil {
		return err
	}
	s.sealed.Decided(rec)
	s.steps.Decided(rec)
	return nil
}

// final notes that the places of a preblock's transactions are final.
func (s *Service) final(p *preblockv1.Preblock) {
	s.steps.Final(&preblockv1.Final{Content: p.GetContent(), ContentHash: p.GetContentHash(), Certificate: p.GetCertificate()})
}

// clocksDiffer is how far the clocks of this machine and of a keyholder may differ before the keyholder refuses a timestamp that
// was taken here.
const clocksDiffer = 5 * time.Second

// maxDrift is how far ahead of the clock a timestamp may be. A content that keyholders refuse until their clocks have caught up
// would hold everything up until then.
func (s *Service) maxDrift() time.Duration {
	if s.committee == nil {
		return s.cfg.MaxClockDrift
	}
	return min(s.cfg.MaxClockDrift, rules.ClockSkew-clocksDiffer)
}

// falsely raises the alarm about what a final content said wrongly. Production continues: the block follows from the content and
// the head, whatever the content says of the head.
func (s *Service) falsely(rec *blueprintv1.LogRecord, claims []logrecord.False) {
	for _, one := range claims {
		s.metrics.ClaimedFalsely(one.Claim)
		s.Log.Error("final content names a wrong value", "number", rec.GetNumber(), "content_hash", fmt.Sprintf("0x%x", rec.GetContentHash()),
			"request_id", rec.GetRequestId(), "what", string(one.Claim), "named", one.Named, "right", one.Right)
	}
}

// halted is why the producer that leads makes no block until a person has looked. One that does not lead has nothing to
// say about it: another may.
func (s *Service) halted() error {
	if !s.candidate.HoldsLease() {
		return nil
	}
	return s.guard.Halted()
}

// proposable says whether a proposal would hold something now, as far as a look at counters tells.
func (s *Service) proposable() bool {
	pending, _ := s.disk.Chain.PoolSize()
	return !s.poolLocked() && (pending > 0 || s.waitingSealed() > 0 || s.ledger.Waiting() || s.disk.Store.DelayedCount() > 0)
}

func (s *Service) waitingSealed() int {
	if s.sealed == nil {
		return 0
	}
	return s.sealed.Count()
}

// register offers the services of gRPC.
func (s *Service) register() {
	leads := s.production.Stance.Leads
	assembler := &contents.Assembler{
		Chain: ledger.Proposable{Ledger: s.ledger}, Delayed: s.pool, Locked: s.poolLocked, Share: s.cfg.SealedShare,
		Latest: func() int64 { return s.cfg.Clock.Now().Add(s.maxDrift()).Unix() },
	}
	if s.sealed != nil {
		assembler.Sealed, assembler.SealedGas = s.sealed, s.committee.Limits.SealedGas
	}
	blueprintv1.RegisterProducerServiceServer(s.grpc.Registrar(), &api.Producer{
		Callers: s.production.Callers, Feed: s.feed, Contents: assembler, Leading: leads, Status: s.status,
		Leadership: s.production.Stance, Follow: s.steps.Follow,
		Served: func(requestID string) (uint64, bool) {
			block, ok := s.engine.Known(requestID)
			return block.Number, ok
		},
	})
	replicationv1.RegisterReplicationServiceServer(s.grpc.Registrar(), &replicate.Server{
		Standbys: s.standbys, Store: s.disk.Store, Hello: s.hello(), Locked: s.disk.Store.Locked,
		Take:  intake.Taker{Intake: s.intake, Leads: leads, AddDelayed: s.pool.AddDelayed}.Take,
		Token: func() uint64 { return max(s.disk.Log.LastToken(), s.standby.Token()) }, Log: s.Log,
	})
	blueprintv1.RegisterAdminServiceServer(s.grpc.Registrar(), &api.Admin{Store: s.pool, Leading: leads})
}

// hello identifies this replica.
func (s *Service) hello() *replicationv1.Hello {
	h := &replicationv1.Hello{Replica: s.candidate.Endpoint.ID(), ChainId: s.disk.Chain.ChainID()}
	if genesis, ok := s.disk.Chain.HashOf(0); ok {
		h.GenesisHash = genesis[:]
	}
	h.SequencerKey = s.sequencerKey()
	if s.committee != nil {
		hash := s.committee.Hash()
		h.CommitteeHash = hash[:]
	}
	return h
}

// sequencerKey is the public key under which blueprints are published; nil for an observer that does not have it.
func (s *Service) sequencerKey() ed25519.PublicKey {
	if s.disk.Key == nil {
		return nil
	}
	key, _ := s.disk.Key.Public().(ed25519.PublicKey) // that is its type
	return key
}
