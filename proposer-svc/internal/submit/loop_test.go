package submit

import (
	"bytes"
	"testing"
	"time"

	"blindseq/proposer-svc/internal/fakes"
	"blindseq/proposer-svc/queue"
	"blindseq/proposer-svc/queue/queuetest"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	poolLocked         = preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_LOCKED
	poolEmpty          = preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_EMPTY
	timestampDecreased = preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_TIMESTAMP_DECREASED
)

var unavailable = status.Error(codes.Unavailable, "away")

func TestASecondProposalWaitsUntilTheFirstWasProcessed(t *testing.T) {
	bubble(t, func(r *rig) {
		r.request("a", true)
		r.request("b", true)
		r.expectSubmission("a", 1, 1)
		pass(time.Minute)
		r.expectQuiet()
		r.applied("a", 1)
		r.expectSubmission("b", 2, 1)
	})
}

func TestRequestsAreServedInOrder(t *testing.T) {
	bubble(t, func(r *rig) {
		ids := []string{"c", "a", "b", "d"}
		for _, id := range ids {
			r.request(id, true)
		}
		for i, id := range ids {
			r.expectSubmission(id, uint64(i+1), 1)
			r.applied(id, uint64(i+1))
		}
	})
}

func TestNoPreblockWithItsReason(t *testing.T) {
	for name, c := range map[string]struct {
		chain  func(*fakes.Chain)
		force  bool
		reason preblockv1.NoPreblockReason
	}{
		"pool is locked":               {func(c *fakes.Chain) { c.Locked = true; c.Transactions = [][]byte{{1}} }, true, poolLocked},
		"pool is empty, without force": {func(*fakes.Chain) {}, false, poolEmpty},
		"timestamp decreased":          {func(c *fakes.Chain) { c.HeadTime = 101 }, true, timestampDecreased},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.producer.Change(c.chain)
				r.request("a", c.force)
				r.expectNotice("a", c.reason)
				if s := r.state("a"); s != queue.Processed {
					t.Errorf("the request is %s", s)
				}
				r.producer.Change(func(c *fakes.Chain) { *c = fakes.Chain{} })
				r.request("b", true)
				r.expectSubmission("b", 1, 1) // the next one has its turn
			})
		})
	}
}

func TestForceMakesAProposalWithAnEmptyContent(t *testing.T) {
	bubble(t, func(r *rig) {
		r.request("a", true)
		if s := r.expectSubmission("a", 1, 1); len(s.Content.Transactions) != 0 {
			t.Errorf("content %v", s.Content)
		}
	})
}

func TestAnEqualTimestampIsAccepted(t *testing.T) {
	bubble(t, func(r *rig) {
		r.producer.Change(func(c *fakes.Chain) { c.HeadTime = 100 })
		r.request("a", true)
		r.expectSubmission("a", 1, 1)
	})
}

func TestAnUpgradeThatIsDueMakesAnEmptyProposal(t *testing.T) {
	bubble(t, func(r *rig) {
		r.producer.Change(func(c *fakes.Chain) { c.UpgradeDue = true; c.Transactions = [][]byte{{1}} })
		r.request("a", false)
		if s := r.expectSubmission("a", 1, 1); len(s.Content.Transactions) != 0 {
			t.Errorf("content %v", s.Content)
		}
	})
}

func TestWhatWaitsForGasIsAReasonForABlock(t *testing.T) {
	bubble(t, func(r *rig) {
		r.producer.Change(func(c *fakes.Chain) { c.Waiting = true })
		r.request("a", false)
		if s := r.expectSubmission("a", 1, 1); len(s.Content.Transactions) != 0 {
			t.Errorf("content %v", s.Content)
		}
	})
}

func TestARepeatedRequestIdIsHarmless(t *testing.T) {
	bubble(t, func(r *rig) {
		for range 3 {
			r.request("a", true)
		}
		r.expectSubmission("a", 1, 1)
		r.applied("a", 1)
		r.request("a", true)
		pass(time.Minute)
		r.expectQuiet()
	})
}

func TestALostProposalIsMadeAgainAfterTheDeadline(t *testing.T) {
	bubble(t, func(r *rig) {
		r.dsn.Lose(2)
		r.request("a", true)
		r.expectSubmission("a", 1, 1)
		r.producer.Change(func(c *fakes.Chain) { c.Transactions = [][]byte{{7}} })
		pass(1900 * time.Millisecond)
		r.expectQuiet()
		pass(200 * time.Millisecond)
		if s := r.expectSubmission("a", 1, 2); len(s.Content.Transactions) != 1 {
			t.Errorf("the new attempt has the old content: %v", s.Content)
		}
		r.producer.Change(func(c *fakes.Chain) { c.Locked = true }) // too late: it is in flight
		pass(2 * time.Second)
		r.expectSubmission("a", 1, 3)
		pass(time.Minute)
		r.expectQuiet()
	})
}

func TestAProposalThatTheDSNHasIsNotMadeAgain(t *testing.T) {
	bubble(t, func(r *rig) {
		r.request("a", true)
		r.expectSubmission("a", 1, 1)
		pass(time.Hour)
		r.expectQuiet()
		if s := r.state("a"); s != queue.InFlight {
			t.Errorf("the request is %s", s)
		}
	})
}

func TestALostNoticeOfTheProducerIsFoundByItsHead(t *testing.T) {
	bubble(t, func(r *rig) {
		r.request("a", true)
		r.expectSubmission("a", 1, 1)
		r.producer.Change(func(c *fakes.Chain) { c.Head = 1 })
		pass(3 * time.Second)
		if s := r.state("a"); s != queue.Processed {
			t.Errorf("the request is %s", s)
		}
	})
}

func TestErrorsOfOthersLoseNothing(t *testing.T) {
	for name, c := range map[string]struct{ fail func(*rig, error) }{
		"producer": {func(r *rig, err error) { r.producer.Change(func(c *fakes.Chain) { c.Err = err }) }},
		"DSN":      {func(r *rig, err error) { r.dsn.Fail(err) }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				c.fail(r, unavailable)
				r.request("a", true)
				pass(time.Minute)
				for r.submission() != nil { // the DSN refused these
				}
				c.fail(r, nil)
				pass(2 * time.Second)
				s := r.submission()
				if s.GetRequestId() != "a" || s.GetContent().GetNumber() != 1 {
					t.Fatalf("submission %v", s)
				}
				r.applied("a", 1)
				r.expectQuiet()
			})
		})
	}
}

// The request ends with the reason, and the next one, whose timestamp is right, is proposed for the number.
func TestARequestWhoseTimestampTheDSNRefusesEnds(t *testing.T) {
	bubble(t, func(r *rig) {
		r.dsn.Fail(status.Error(codes.OutOfRange, "timestamp is too far ahead of the clock"))
		r.request("a", true)
		r.expectNotice("a", preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_TIMESTAMP_AHEAD)
		if s := r.state("a"); s != queue.Processed {
			t.Errorf("the request is %s", s)
		}
		r.dsn.Fail(nil)
		for r.submission() != nil { // the DSN refused these
		}
		pass(time.Minute)
		r.expectQuiet()
		r.request("b", true)
		r.expectSubmission("b", 1, 1)
	})
}

func TestAMonitorThatIsAwayDelaysTheEndOnly(t *testing.T) {
	bubble(t, func(r *rig) {
		r.monitor.Fail(unavailable)
		r.request("a", false)
		pass(time.Minute)
		r.producer.Change(func(c *fakes.Chain) { c.Transactions = [][]byte{{1}} }) // the decision stands
		r.monitor.Fail(nil)
		pass(time.Second)
		r.expectNotice("a", poolEmpty)
		r.expectQuiet()
	})
}

func TestTakeoverContinuesWhereTheOtherStopped(t *testing.T) {
	t.Run("the DSN has the proposal", func(t *testing.T) {
		bubble(t, func(r *rig) {
			r.request("a", true)
			r.expectSubmission("a", 1, 1)
			r.stop()
			r.lead()
			pass(time.Minute)
			r.expectQuiet()
			r.applied("a", 1)
			r.request("b", true)
			r.expectSubmission("b", 2, 1)
		})
	})
	t.Run("the DSN does not have it", func(t *testing.T) {
		bubble(t, func(r *rig) {
			r.dsn.Lose(1)
			r.request("a", true)
			r.expectSubmission("a", 1, 1)
			r.stop()
			r.lead()
			r.expectSubmission("a", 1, 2) // at once, not after the deadline
		})
	})
	t.Run("declined and not announced", func(t *testing.T) {
		bubble(t, func(r *rig) {
			r.monitor.Fail(unavailable)
			r.request("a", false)
			r.stop()
			r.monitor.Fail(nil)
			r.producer.Change(func(c *fakes.Chain) { c.Transactions = [][]byte{{1}} })
			r.lead()
			r.expectNotice("a", poolEmpty)
			r.expectQuiet()
		})
	})
}

func TestAWipedQueueNeverMakesASecondContentCount(t *testing.T) {
	bubble(t, func(r *rig) {
		r.request("a", true)
		r.expectSubmission("a", 1, 1)
		r.queue.locked(func(m *queuetest.Memory) { m.Wipe(); m.SetLease(r.token) })
		pass(3 * time.Second)
		// Another request comes; the producer still needs number 1, which the DSN has fixed for "a".
		r.producer.Change(func(c *fakes.Chain) { c.Transactions = [][]byte{{1}} })
		r.request("b", true)
		r.expectSubmission("b", 1, 1)
		r.applied("a", 1)
		// "b" has had no event: it is proposed for the next number, and "a" is not served again.
		r.expectSubmission("b", 2, 1)
		r.request("a", true)
		r.applied("b", 2)
		pass(time.Minute)
		r.expectQuiet()
	})
}

func TestARequestThatRedisForgotWasServedIsNotServedAgain(t *testing.T) {
	bubble(t, func(r *rig) {
		r.producer.Change(func(c *fakes.Chain) { c.Head = 3; c.HeadTime = 101; c.Served = map[string]uint64{"a": 2} })
		r.request("a", true) // as an old copy of the FIFO has it, after a failover
		r.expectQuiet()      // nor is it told that its timestamp decreased
		if s := r.state("a"); s != queue.Processed {
			t.Errorf("the request is %s", s)
		}
		r.producer.Change(func(c *fakes.Chain) { c.HeadTime = 0 })
		r.request("b", true)
		r.expectSubmission("b", 4, 1)
	})
}

func TestNoPreblockIsNotSaidAfterTheRequestsPreblock(t *testing.T) {
	bubble(t, func(r *rig) {
		r.producer.Change(func(c *fakes.Chain) { c.Locked = true })
		r.dsn.FixContent(&preblockv1.Content{Number: 1, PreviousBlockHash: bytes.Repeat([]byte{0}, 32), Timestamp: &timestamppb.Timestamp{}}, "a")
		r.request("a", true) // asked again after Redis forgot it
		r.expectSubmission("a", 1, 1)
		r.applied("a", 1)
		r.expectQuiet()
	})
}

func TestNoPreblockIsNotSaidWhileTheRequestsProposalIsBeingDecided(t *testing.T) {
	bubble(t, func(r *rig) {
		r.producer.Change(func(c *fakes.Chain) { c.Locked = true })
		r.dsn.Accept(&preblockv1.Content{Number: 1, PreviousBlockHash: bytes.Repeat([]byte{0}, 32), Timestamp: &timestamppb.Timestamp{}}, "a")
		r.request("a", true) // asked again after Redis forgot it
		r.expectSubmission("a", 1, 1)
		r.expectQuiet()
	})
}

func TestAContentThatCannotBeProposedIsNotSubmitted(t *testing.T) {
	bubble(t, func(r *rig) {
		r.producer.Change(func(c *fakes.Chain) { c.Transactions = [][]byte{{}} })
		r.request("a", true)
		pass(time.Minute)
		r.expectQuiet()
		r.producer.Change(func(c *fakes.Chain) { c.Transactions = nil })
		pass(time.Second)
		r.expectSubmission("a", 1, 1)
	})
}

func TestAFormerActiveProposerStops(t *testing.T) {
	bubble(t, func(r *rig) {
		r.queue.locked(func(m *queuetest.Memory) { m.SetLease(99) })
		r.request("a", true)
		pass(time.Second)
		r.expectQuiet()
		r.stopWants(queue.ErrNotActive)
	})
}
