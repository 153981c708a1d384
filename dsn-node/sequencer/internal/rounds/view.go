package rounds

import (
	"context"
	"fmt"
	"maps"
	"slices"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/attest"
)

// view is one in which a content is proposed, with what opens it; the zero value is the first.
type view struct {
	number  uint64
	changes []*keyholderv1.ViewChange // of a quorum, by authority
}

// went notes that a keyholder went to a higher view of a number, as it says.
func (d *Driver) went(ctx context.Context, by uint8, m *keyholderv1.ViewChange) {
	d.mu.Lock()
	known, r := d.left[by], d.round
	d.mu.Unlock()
	if m == nil || m.GetNumber() == known.GetNumber() && m.GetView() == known.GetView() {
		return
	}
	_, err := attest.VerifyViewChange(d.o.Committee, m)
	if err == nil && m.GetAuthority() != uint32(by) {
		err = fmt.Errorf("a view change of authority %d: %w", m.GetAuthority(), errWrongAnswer)
	}
	if err != nil {
		d.faults.name(ctx, by, kindInvalid, m.GetNumber(), err.Error())
		return
	}
	d.note(func() { d.left[by] = m })
	if r != nil {
		r.bring(ctx, left{})
	}
}

// gone are the statements of those that went to a view of a number, by view and authority. The caller holds mu.
func (d *Driver) gone(number uint64) map[uint64][]*keyholderv1.ViewChange {
	out := map[uint64][]*keyholderv1.ViewChange{}
	for _, by := range slices.Sorted(maps.Keys(d.left)) {
		if m := d.left[by]; m.GetNumber() == number {
			out[m.GetView()] = append(out[m.GetView()], m)
		}
	}
	return out
}

// next is the highest view above the round's that a quorum has gone to and that is open for the round's content; nil when there
// is none.
func (r *runningRound) next() *view {
	r.d.mu.Lock()
	gone := r.d.gone(r.statement.Number)
	r.d.mu.Unlock()
	for _, number := range slices.Backward(slices.Sorted(maps.Keys(gone))) {
		if number <= r.view.number {
			break
		}
		if open := r.opens(gone[number]); open != nil {
			return &view{number, open}
		}
	}
	return nil
}

// opens are a quorum of statements that open their view for the round's content, nil when there are none. Any quorum opens a view.
// So one that shows another content, of a view as high as the highest in which this one was locked or higher, is left out.
func (r *runningRound) opens(changes []*keyholderv1.ViewChange) []*keyholderv1.ViewChange {
	ours := func(m *keyholderv1.ViewChange) bool {
		cert := m.GetCertificate()
		return string(cert.GetContentHash()) == string(r.statement.Content[:]) && string(cert.GetPreviousPayloadHash()) == string(r.statement.Previous[:])
	}
	var highest *keyholderv1.ViewChange // of those that locked the round's content
	for _, m := range changes {
		if ours(m) && (highest == nil || m.GetCertificate().GetView() > highest.GetCertificate().GetView()) {
			highest = m
		}
	}
	quorum := r.d.o.Committee.Quorum()
	var out []*keyholderv1.ViewChange
	for _, m := range changes {
		cert := m.GetCertificate()
		if cert == nil || ours(m) || highest != nil && cert.GetView() < highest.GetCertificate().GetView() {
			out = append(out, m)
		}
	}
	if len(out) < quorum {
		return nil
	}
	if at := slices.Index(out, highest); at >= quorum { // it has to be among them
		out[quorum-1] = highest
	}
	return out[:quorum]
}

// viewReason says why a round cannot go on in its view, or in a higher one; "" when nothing is known. The caller holds mu.
func (r *runningRound) viewReason() string {
	if r.final {
		return ""
	}
	number, quorum := r.statement.Number, r.d.o.Committee.Quorum()
	gone := r.d.gone(number)
	for _, v := range slices.Backward(slices.Sorted(maps.Keys(gone))) {
		changes := gone[v]
		if v <= r.view.number {
			break
		}
		if len(changes) < quorum {
			return fmt.Sprintf("%d of %d keyholders have gone to view %d of number %d, %d are needed: run `dsn-node change-view --number %d --view %d` again",
				len(changes), r.d.o.Committee.Size(), v, number, quorum, number, v)
		}
		return fmt.Sprintf("keyholders have locked another content of number %d than is in the log here: stop the sequencer, move its data directory "+
			"away and start it, it recovers the order from the keyholders", number)
	}
	return ""
}
