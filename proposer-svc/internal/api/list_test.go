package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"blindseq/proposer-svc/queue"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"
)

// line is a FIFO: the first to be served first, and what was processed, the last first.
type line struct {
	Queue
	waiting, processed []queue.Request
	asked              int // how many processed ones, last
}

func (l *line) List(_ context.Context, recent int) (waiting, processed []queue.Request, err error) {
	l.asked = recent
	return slices.Clone(l.waiting), slices.Clone(l.processed[:min(recent, len(l.processed))]), nil
}

func (l *line) ask(id int) {
	l.waiting = append(l.waiting, queue.Request{ID: fmt.Sprint("r", id), Phase: queue.Queued})
}

func (l *line) serve() {
	l.processed = slices.Insert(l.processed, 0, l.waiting[0])
	l.waiting = l.waiting[1:]
}

func namesOf(res *proposalv1.ListProposalsResponse) (ids []string) {
	for _, r := range res.GetRequests() {
		ids = append(ids, r.GetRequestId())
	}
	return ids
}

// What callers see of a request never goes back, however it ends.
func TestNoStateGoesBack(t *testing.T) {
	for name, way := range map[string][]queue.Request{
		"processed": {{Phase: queue.Queued}, {Phase: queue.InFlight, Number: 4}, {Phase: queue.Processed, Number: 4}},
		"declined":  {{Phase: queue.Queued}, {Phase: queue.Ending}, {Phase: queue.Processed}},
		"refused":   {{Phase: queue.Queued}, {Phase: queue.InFlight, Number: 4}, {Phase: queue.Ending, Number: 4}, {Phase: queue.Processed}},
	} {
		for i, r := range way[1:] {
			if before, now := toProto(way[i]).GetState(), toProto(r).GetState(); now < before {
				t.Errorf("%s: from %s back to %s", name, before, now)
			}
		}
	}
}

// Page after page lists each request once, newest first, though others come and are served meanwhile.
func TestPagesListEachRequestOnce(t *testing.T) {
	l := &line{}
	s := New(l, nil)
	for id := range 10 {
		l.ask(id)
	}
	for range 6 {
		l.serve()
	}
	var all []string
	token := ""
	for pages := 1; ; pages++ {
		res, err := s.ListProposals(t.Context(), &proposalv1.ListProposalsRequest{PageSize: 3, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, namesOf(res)...)
		if token = res.GetNextPageToken(); token == "" {
			if pages != 4 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		l.ask(9 + pages)
		l.serve()
	}
	if got := fmt.Sprint(all); got != "[r9 r8 r7 r6 r5 r4 r3 r2 r1 r0]" {
		t.Errorf("listed %s", got)
	}
}

func TestAPageHasSoManyRequests(t *testing.T) {
	l := &line{}
	s := New(l, nil)
	for id := range 700 {
		l.ask(id)
	}
	for range 640 {
		l.serve()
	}
	for _, c := range []struct {
		req   *proposalv1.ListProposalsRequest
		count int
		more  bool
	}{
		{&proposalv1.ListProposalsRequest{}, 60 + 50, true}, // as before there were pages
		{&proposalv1.ListProposalsRequest{Limit: 3}, 60 + 3, true},
		{&proposalv1.ListProposalsRequest{Limit: 1 << 31}, 60 + 500, false},
		{&proposalv1.ListProposalsRequest{PageSize: 1}, 1, true},
		{&proposalv1.ListProposalsRequest{PageSize: 1 << 31}, 500, true},
		{&proposalv1.ListProposalsRequest{PageToken: toToken("r690")}, 50, true},
		{&proposalv1.ListProposalsRequest{PageToken: toToken("r141")}, 1, false},
		{&proposalv1.ListProposalsRequest{PageToken: toToken("r140")}, 0, false}, // the last that is known
		{&proposalv1.ListProposalsRequest{PageToken: toToken("r1")}, 0, false},   // no longer known
	} {
		res, err := s.ListProposals(t.Context(), c.req)
		if err != nil || len(res.GetRequests()) != c.count || (res.GetNextPageToken() != "") != c.more {
			t.Errorf("%v: %d requests, token %q, %v", c.req, len(res.GetRequests()), res.GetNextPageToken(), err)
		}
		if c.req.GetPageToken() == "" && l.asked > c.count+1 {
			t.Errorf("%v: %d of those processed are read for %d requests", c.req, l.asked, c.count)
		}
	}
	for _, token := range []string{"x", "!", toToken("a b"), "r1\n"} {
		if _, err := s.ListProposals(t.Context(), &proposalv1.ListProposalsRequest{PageToken: token}); !errors.Is(err, ErrBadRequest) {
			t.Errorf("token %q: %v", token, err)
		}
	}
}
