package producer

import (
	"blindseq/producer-svc/internal/sections"
	"blindseq/producer-svc/logrecord"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"blindseq/kit/content"
	"blindseq/kit/lock"
	"blindseq/kit/rediskeys"
	"blindseq/kit/redistest"
	"blindseq/producer-svc/internal/bplog"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// failoversEnv is how many failovers of Redis there are, 1 if not set.
const failoversEnv = "BLINDSEQ_SENTINEL_FAILOVERS"

// TestOfTwoHoldersOfOneTokenTheLogRefusesTheSecond fails a Redis over, again and again, to a replica that was cut off:
// the consumption lock is held, and its holder believes so, while another is given the same token. Whoever of the two
// writes first decides; the blueprint log refuses the other, whatever it writes.
func TestOfTwoHoldersOfOneTokenTheLogRefusesTheSecond(t *testing.T) {
	failovers := 1
	if s := os.Getenv(failoversEnv); s != "" {
		var err error
		if failovers, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	s := redistest.NewSentinels(t)
	log, err := bplog.Open(t.TempDir(), bplog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	locker := func(who string) sections.ConsumptionLock {
		o := lock.Options{Name: rediskeys.ConsumptionLock, TTL: time.Minute, Holder: who}
		return sections.ConsumptionLock{Locker: lock.New(s.Open(t), o), Written: log.LastToken, Known: func() uint64 { return 0 }}
	}
	for i := range failovers {
		s.CutReplicas(t)
		first := held(t, locker("first"))
		s.Failover(t)
		second := held(t, locker("second"))
		if first.Token() != second.Token() || first.Check() != nil || second.Check() != nil {
			t.Fatalf("failover %d: tokens %d and %d: no two would-be holders of one", i+1, first.Token(), second.Token())
		}
		writers := []sections.Held{first, second}
		if i%2 == 1 {
			writers[0], writers[1] = second, first
		}
		writeAs(t, log, writers[0], writers[1])
		_ = first.Release(t.Context()) // lost
		if err := second.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Heal(t)
	}
	t.Logf("%d failovers, each with two holders of one token: %d records, as many refused", failovers, log.Last())
}

func held(t *testing.T, c sections.ConsumptionLock) sections.Held {
	t.Helper()
	h, err := c.Acquire(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// writeAs has the winner write the next record, and the loser try to write one with other content for the same number,
// then one for the number after it, and then the winner write that.
func writeAs(t *testing.T, log *bplog.Log, winner, loser sections.Held) {
	t.Helper()
	n := log.Last() + 1
	try := func(h sections.Held, number uint64, what string, want error) {
		t.Helper()
		if err := log.Append(recordBy(h, number, what), content.Hash{}); !errors.Is(err, want) {
			t.Fatalf("record %d by %s, token %d: %v, want %v", number, h.Holder(), h.Token(), err, want)
		}
	}
	try(winner, n, "first", nil)
	try(loser, n, "second", logrecord.ErrConflict)
	try(loser, n+1, "third", logrecord.ErrStaleToken)
	try(winner, n+1, "fourth", nil)
}

func recordBy(h sections.Held, number uint64, what string) *blueprintv1.LogRecord {
	body, parent := content.Keccak(fmt.Append(nil, number, what)), content.Hash{}
	return &blueprintv1.LogRecord{
		Number: number, ParentHash: parent[:], ContentHash: body[:], Timestamp: timestamppb.Now(),
		RequestId: fmt.Sprint(number, what), Token: h.Token(), Holder: h.Holder(),
	}
}
