package dsntest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"blindseq/kit/content"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func submit(t *testing.T, d *DSN, number uint64, id string) *dsnv1.SubmitProposalResponse {
	t.Helper()
	res, err := d.SubmitProposal(t.Context(), &dsnv1.SubmitProposalRequest{Content: Preblock(number, "", []byte(id)...).Content, RequestId: id, Attempt: 1})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestTheFirstContentOfANumberIsFixed(t *testing.T) {
	d := New()
	d.Lose(1)
	submit(t, d, 1, "a")
	if d.Get(1) != nil {
		t.Fatal("a lost submission was fixed")
	}
	submit(t, d, 1, "b")
	if res := submit(t, d, 1, "c"); res.RequestId != "b" || d.Get(1).RequestId != "b" {
		t.Errorf("fixed for %s", res.RequestId)
	}
	if hash := content.HashOf(d.Get(1).Content); !slices.Equal(hash[:], d.Get(1).ContentHash) {
		t.Error("a preblock without its content's hash")
	}
	d.Accept(Preblock(2, "").Content, "d")
	res, err := d.GetStatus(t.Context(), nil)
	if err != nil || res.LastNumber != 1 || res.AcceptedNumber != 2 || d.Fixed() != 1 {
		t.Errorf("%v, %v, fixed %d", res, err, d.Fixed())
	}
}

func TestCallsFailAsScripted(t *testing.T) {
	away := errors.New("away")
	d := New()
	d.Before = func(_ context.Context, method string) error {
		if method == "GetStatus" {
			return away
		}
		return nil
	}
	get := func() error {
		_, err := d.GetPreblock(t.Context(), &dsnv1.GetPreblockRequest{Number: 1})
		return err
	}
	if _, err := d.GetStatus(t.Context(), nil); !errors.Is(err, away) {
		t.Errorf("refused method: %v", err)
	}
	if err := get(); status.Code(err) != codes.NotFound {
		t.Errorf("not fixed: %v", err)
	}
	d.Fix("a")
	d.Down()
	if err := get(); status.Code(err) != codes.Unavailable {
		t.Errorf("down: %v", err)
	}
	d.Up()
	if err := get(); err != nil {
		t.Errorf("up again: %v", err)
	}
}

// TestAStreamSendsWhatIsFixed in order, what is sent out of turn, and not what is hidden, until it breaks.
func TestAStreamSendsWhatIsFixed(t *testing.T) {
	d := New()
	got := make(chan uint64)
	ended := make(chan error, 1)
	go func() {
		ended <- d.Stream(t.Context(), 1, func(p *preblockv1.Preblock) error { got <- p.Content.Number; return nil })
	}()
	d.Fix("a")
	if n := <-got; n != 1 {
		t.Fatalf("first came %d", n)
	}
	d.FixHidden("b")
	d.Send(Preblock(3, "c"))
	if n := <-got; n != 3 {
		t.Fatalf("after number 2 was hidden came %d", n)
	}
	d.Put(Preblock(4, "d"))
	if n := <-got; n != 4 {
		t.Fatalf("after number 3 came %d", n)
	}
	d.Break()
	if err := <-ended; status.Code(err) != codes.Unavailable {
		t.Errorf("a broken stream ended with %v", err)
	}
}
