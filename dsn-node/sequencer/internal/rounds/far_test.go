package rounds

import (
	"testing"
	"testing/synctest"
	"time"

	"blindseq/dsn-node/sequencer/round"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// A far keyholder is asked later while the near ones attest, for a bounded time, and is then given their attestations.
func TestAFarKeyholderIsAskedAfterTheNearOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const distant = 3
		d := new(Driver)
		for i := range uint8(4) {
			d.followers = append(d.followers, &follower{d: d, by: i, took: time.Millisecond})
		}
		d.followers[distant].took = 300 * time.Millisecond
		r := &runningRound{d: d, state: round.New(3, 3, false, set()), began: time.Now()}
		attest := func(by uint8) {
			r.state, _, _ = round.Next(r.state, round.Attested{By: by})
			r.attestations[by] = &preblockv1.Attestation{Authority: uint32(by)}
		}
		if wait := d.await(r, 0); wait > 0 {
			t.Errorf("a near one waits for %s", wait)
		}
		if wait := d.await(r, distant); wait != longestAwait {
			t.Errorf("the far one waits for %s", wait)
		}
		attest(0)
		if others := d.others(r, distant); others != nil {
			t.Errorf("one of two others is given: %v", others)
		}
		d.followers[1].trouble = "killed"
		d.followers[2].took = 200 * time.Millisecond
		if wait := d.await(r, distant); wait > 0 {
			t.Errorf("with too few near ones the far one waits for %s", wait)
		}
		d.followers[2].took = 0
		d.followers[1].trouble = ""
		time.Sleep(longestAwait)
		if wait := d.await(r, distant); wait > 0 {
			t.Errorf("it waits for another %s", wait)
		}
		attest(2)
		if others := d.others(r, distant); len(others) != 2 || others[0].GetAuthority() != 0 || others[1].GetAuthority() != 2 {
			t.Errorf("it is given %v", others)
		}
		if wait := d.await(r, distant); wait > 0 {
			t.Errorf("it waits for %s, though the others are there", wait)
		}
	})
}

func TestHowFarAKeyholderIsBehind(t *testing.T) {
	d := &Driver{followers: []*follower{{reached: 7}}}
	if n := d.behind(0); n != 0 {
		t.Errorf("before the first round: %d", n)
	}
	d.round = &runningRound{}
	d.round.statement.Number = 10
	if n := d.behind(0); n != 2 {
		t.Errorf("while number 10 is being decided: %d", n)
	}
	d.round.final = true
	if n := d.behind(0); n != 3 {
		t.Errorf("when number 10 is final: %d", n)
	}
	d.followers[0].reached = 11
	if n := d.behind(0); n != 0 {
		t.Errorf("ahead of the sequencer: %d", n)
	}
}
