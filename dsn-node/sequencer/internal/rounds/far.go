package rounds

import (
	"context"
	"time"

	"blindseq/dsn-node/sequencer/round"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// A keyholder that is far away costs a round trip for its attestation and another for its lock. Where the others that it needs for a
// certificate are near, it is given their attestations with the proposal: it then makes the certificate itself, and attests and locks
// in one call. Its lock counts like any other, whichever attestations its certificate has.

const (
	// far is what a call takes, on average, from which on a keyholder is asked after the others.
	far = 50 * time.Millisecond
	// longestAwait bounds how long it is asked later.
	longestAwait = 100 * time.Millisecond
)

// awaitOthers waits for the attestations of near keyholders before a far one is asked, and says whether the round may have changed
// meanwhile. It waits for less than half of what that saves.
func (f *follower) awaitOthers(ctx context.Context, r *runningRound, changed <-chan struct{}) (again bool) {
	wait := f.d.await(r, f.by)
	if wait <= 0 {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
	}
	return true
}

// await is for how long a keyholder had better be asked later; not at all when it is near, when the others are there, or when too
// few of them are near.
func (d *Driver) await(r *runningRound, by uint8) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	took, others := d.followers[by].took, r.state.Quorum-1
	if took < far || r.certificate != nil || r.state.Attested().Len() >= others {
		return 0
	}
	near := 0
	for _, one := range d.followers {
		if one.by != by && one.trouble == "" && one.took < far {
			near++
		}
	}
	if near < others {
		return 0
	}
	return min(took/2, longestAwait) - time.Since(r.began)
}

// others are the attestations that make a certificate with that of one keyholder; nil when there are not enough.
func (d *Driver) others(r *runningRound, by uint8) []*preblockv1.Attestation {
	d.mu.Lock()
	defer d.mu.Unlock()
	came := r.state.Attested().Without(round.Set{}.With(by))
	if r.final || came.Len() < r.state.Quorum-1 {
		return nil
	}
	return signatures(r.attestations[:], came.First(r.state.Quorum-1))
}

// behind is how many final numbers a keyholder is not known to hold.
func (d *Driver) behind(by uint8) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.round == nil {
		return 0
	}
	newest := d.round.statement.Number
	if !d.round.final {
		newest--
	}
	return max(newest, d.followers[by].reached) - d.followers[by].reached
}
