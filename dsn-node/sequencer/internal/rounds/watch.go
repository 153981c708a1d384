package rounds

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"blindseq/dsn-node/sequencer/round"
)

const (
	// watchEvery is how often the driver checks whether rounds can continue.
	watchEvery = 200 * time.Millisecond
	// slowRound is from when on a round is said to wait.
	slowRound = 2 * time.Second
)

// watch reports why rounds cannot continue, when that changes.
func (d *Driver) watch(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	reported, said, lag := "", "", newLagging(d.o.Keyholders)
	for {
		if reason := d.reason(); reason != reported {
			reported = reason
			d.o.Waiting(reason)
		}
		troubles := d.troubles()
		for _, f := range d.followers {
			behind := d.behind(f.by)
			d.o.Observer.Behind(f.by, behind)
			lag.look(f.by, troubles[f.by], behind, time.Now())
		}
		if text := lag.text(); text != said && d.o.Away != nil {
			said = text
			d.o.Away(text)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// reason says why no preblock can be decided now, "" when nothing is known to be in the way.
func (d *Driver) reason() string {
	troubles := d.troubles()
	var missing []string
	for i, trouble := range troubles {
		if trouble != "" {
			missing = append(missing, fmt.Sprintf("%d at %s (%s)", i, d.o.Keyholders[i].Name, trouble))
		}
	}
	quorum := d.o.Committee.Quorum()
	there := len(troubles) - len(missing)
	waiting := d.waiting()
	if there >= quorum && waiting == "" {
		return ""
	}
	reason := fmt.Sprintf("%d of %d keyholders take part, %d are needed", there, len(troubles), quorum)
	if waiting != "" {
		reason = waiting + "; " + reason
	}
	switch {
	case there < quorum:
		reason += fmt.Sprintf("; bring back at least %d of: %s", quorum-there, strings.Join(missing, ", "))
	case len(missing) > 0:
		reason += "; missing: " + strings.Join(missing, ", ")
	}
	return reason
}

// waiting says what the present round waits for, if for long.
func (d *Driver) waiting() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.round
	if r == nil || r.over || time.Since(r.began) < slowRound {
		return ""
	}
	if reason := r.viewReason(); reason != "" {
		return reason
	}
	if r.state.Phase() == round.Attesting {
		return fmt.Sprintf("preblock %d waits for attestations: %d of %d", r.statement.Number, r.state.Attested().Len(), r.state.Quorum)
	}
	if r.state.Phase() == round.Locking {
		return fmt.Sprintf("preblock %d waits for locks: %d of %d", r.statement.Number, r.state.Locked().Len(), r.state.Quorum)
	}
	came, what := r.answered, "decryption shares"
	if len(r.toProve) > 0 {
		came, what = r.proved, "decryption shares with proof"
	}
	// Shares are used when there are enough; until then, those that came count.
	reason := fmt.Sprintf("preblock %d waits for %s: %d of %d", r.statement.Number, what, came.Len(), r.state.Threshold)
	if came.Len() >= r.state.Threshold {
		reason = fmt.Sprintf("preblock %d is being opened", r.statement.Number)
	}
	for _, liar := range slices.Sorted(maps.Keys(r.wrong)) {
		reason += fmt.Sprintf(", wrong ones of %d", liar)
	}
	return reason
}

// troubles returns what is wrong with each keyholder, "" when nothing.
func (d *Driver) troubles() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]string, len(d.followers))
	for i, f := range d.followers {
		out[i] = f.trouble
		if r := d.round; out[i] == "" && r != nil && f.signsFrom > r.statement.Number {
			out[i] = fmt.Sprintf("lost its votes; it signs from number %d on", f.signsFrom)
		}
	}
	return out
}
