package tracker

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
)

// directory is one that a test turns.
type directory struct {
	address string
	changed chan struct{}
}

func (d *directory) Current() (string, bool)  { return d.address, d.address != "" }
func (d *directory) Changed() <-chan struct{} { return d.changed }

func (d *directory) turn(address string) {
	d.address = address
	old := d.changed
	d.changed = make(chan struct{})
	close(old)
	synctest.Wait()
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestWhoWaitsForAChangeIsToldWhenAnotherLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{changed: make(chan struct{})}
		var seen []bool
		tr := New(d, func(known bool) { seen = append(seen, known) })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- tr.Run(ctx) }()
		synctest.Wait()
		if tr.Current() != nil {
			t.Fatal("a leader from nothing")
		}
		d.turn("10.0.0.1:7303")
		first := tr.Current()
		if first == nil || first.HTTP.String() != "http://10.0.0.1:7303/" {
			t.Fatalf("got %+v", first)
		}
		d.turn("")
		if tr.Current() != nil || closed(first.Changed) {
			t.Fatal("a leader that is away is not yet another one")
		}
		d.turn("10.0.0.1:7303")
		if tr.Current() != first || closed(first.Changed) {
			t.Fatal("the same leader came back")
		}
		d.turn("http://10.0.0.2:7303")
		if !closed(first.Changed) || tr.Current().HTTP.Host != "10.0.0.2:7303" || closed(tr.Current().Changed) {
			t.Fatalf("got %+v", tr.Current())
		}
		d.turn("http://[bad")
		if tr.Current() != nil {
			t.Fatal("a record that is no address names a leader")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if want := []bool{false, true, false, true, false}; !slices.Equal(seen, want) {
			t.Errorf("told %v, want %v", seen, want)
		}
	})
}
