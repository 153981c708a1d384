package section

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/protobuf/types/known/timestamppb"
)

var (
	errLost = errors.New("lock lost")
	errDown = errors.New("not reachable")
	now     = time.Unix(1_700_000_000, 0)
)

func headAt(n uint64) Head {
	return Head{Number: n, Hash: content.Keccak(fmt.Append(nil, n)), Time: now.Unix() - 100 + int64(n)}
}

// preblock is what may follow headAt(n-1).
func preblock(n uint64, requestID string) *preblockv1.Preblock {
	parent := headAt(n - 1)
	c := &preblockv1.Content{
		Number: n, PreviousBlockHash: parent.Hash[:], Timestamp: &timestamppb.Timestamp{Seconds: headAt(n).Time},
		Transactions: [][]byte{{1}},
	}
	hash := content.HashOf(c)
	return &preblockv1.Preblock{Content: c, ContentHash: hash[:], RequestId: requestID, Attempt: 1}
}

func lockedAt(n uint64) Locked {
	return Locked{Token: 9, Holder: "me", Head: headAt(n), Now: now, Notified: true}
}

func applied(n uint64) Applied { return Applied{Block: Block{Head: headAt(n), Transactions: 1}} }

// drive feeds events to a section of request r and returns the effects they led to, by name.
func drive(r Request, events ...Event) (State, string) {
	s, effects := Begin(r, time.Minute)
	names := []string{effects[0].Name()}
	for _, e := range events {
		var effect Effect
		if s, effect = step(s, e); effect != nil {
			names = append(names, effect.Name())
		}
	}
	return s, strings.Join(names, " ")
}

// step is Next with its one effect, nil for none. An event without a meaning halts, as it does in production.
func step(s State, e Event) (State, Effect) {
	next, effects, err := Next(s, e)
	switch {
	case err != nil:
		return s.end(Result{Kind: Halted, Err: err}), Release{}
	case len(effects) == 0:
		return next, nil
	}
	return next, effects[0]
}

func TestSectionTransitions(t *testing.T) {
	record := &blueprintv1.LogRecord{}
	produced := []Event{Appended{record}, applied(6), Published{}, Notified{}}
	join := func(lists ...[]Event) (all []Event) {
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	begin := []Event{lockedAt(5), Requested{}}
	for name, c := range map[string]struct {
		sync    bool
		events  []Event
		effects string
		want    ResultKind
	}{
		"a block": {
			events:  join(begin, []Event{Delivered{preblock(6, "r")}}, produced, []Event{Released{}}),
			effects: "acquire request await append apply publish notify release", want: Produced,
		},
		"no preblock": {
			events:  join(begin, []Event{Denied{RequestID: "r", Reason: preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_POOL_EMPTY}, Released{}}),
			effects: "acquire request await release", want: Empty,
		},
		"another's preblock is applied, then its own awaited": {
			events: join(begin, []Event{Delivered{preblock(6, "other")}}, produced,
				[]Event{Delivered{preblock(7, "r")}, Appended{record}, applied(7), Published{}, Notified{}, Released{}}),
			effects: "acquire request await append apply publish notify await append apply publish notify release", want: Produced,
		},
		"a preblock without a request is applied, then its own denied": {
			events:  join(begin, []Event{Delivered{preblock(6, "")}}, produced, []Event{Denied{RequestID: "r"}, Released{}}),
			effects: "acquire request await append apply publish notify await release", want: Empty,
		},
		"a timeout tells the head and asks again": {
			events:  join(begin, []Event{TimedOut{}, Notified{}, Requested{}, Delivered{preblock(6, "r")}}, produced, []Event{Released{}}),
			effects: "acquire request await notify request await append apply publish notify release",
			want:    Produced,
		},
		"failures pause and repeat the same step": {
			events: join([]Event{lockedAt(5), Failure{errDown}, Resumed{}, Requested{}, Failure{errDown}, Resumed{}, Failure{errDown}, Resumed{},
				Delivered{preblock(6, "r")}}, produced, []Event{Released{}}),
			effects: "acquire request pause request await pause await pause await append apply publish notify release", want: Produced,
		},
		"a head the proposer may not know of is told first": {
			events:  []Event{Locked{Token: 9, Holder: "me", Head: headAt(5), Now: now}, Notified{}, Requested{}, Denied{RequestID: "r"}, Released{}},
			effects: "acquire notify request await release", want: Empty,
		},
		"a request served before": {
			events:  []Event{Locked{Token: 9, Holder: "me", Head: headAt(5), Now: now, Known: &Block{Head: headAt(3)}}, Released{}},
			effects: "acquire release", want: Produced,
		},
		"a request served too long ago": {
			events:  []Event{lockedAt(5), Requested{Processed: true}, TimedOut{}, Released{}},
			effects: "acquire request await release", want: Refused,
		},
		"another number than asked is not taken": {
			events:  join(begin, []Event{Delivered{preblock(5, "r")}, Resumed{}, Delivered{preblock(8, "r")}, Resumed{}, Delivered{preblock(6, "r")}}, produced, []Event{Released{}}),
			effects: "acquire request await pause await pause await append apply publish notify release", want: Produced,
		},
		"another's denial is not taken": {
			events:  join(begin, []Event{Denied{RequestID: "other"}, Resumed{}, Denied{RequestID: "r"}, Released{}}),
			effects: "acquire request await pause await release", want: Empty,
		},
		"no lock":                            {events: []Event{Interrupt{errDown}}, effects: "acquire", want: Interrupted},
		"lock lost while requesting":         {events: []Event{lockedAt(5), Interrupt{errLost}, Released{}}, effects: "acquire request release", want: Interrupted},
		"lock lost while awaiting":           {events: join(begin, []Event{Interrupt{errLost}, Released{}}), effects: "acquire request await release", want: Interrupted},
		"lock lost before the append":        {events: join(begin, []Event{Delivered{preblock(6, "r")}, Interrupt{errLost}, Released{}}), effects: "acquire request await append release", want: Interrupted},
		"lock lost after the append":         {events: join(begin, []Event{Delivered{preblock(6, "r")}}, produced[:3], []Event{Interrupt{errLost}, Released{}}), effects: "acquire request await append apply publish notify release", want: Produced},
		"lock lost after another's append":   {events: join(begin, []Event{Delivered{preblock(6, "other")}}, produced[:3], []Event{Interrupt{errLost}, Released{}}), effects: "acquire request await append apply publish notify release", want: Interrupted},
		"two contents for a number":          {events: join(begin, []Event{Alarm{errDown}, Released{}}), effects: "acquire request await release", want: Halted},
		"the log refuses":                    {events: join(begin, []Event{Delivered{preblock(6, "r")}, Alarm{errDown}, Released{}}), effects: "acquire request await append release", want: Halted},
		"the chain fails":                    {events: join(begin, []Event{Delivered{preblock(6, "r")}, Appended{record}, Alarm{errDown}, Released{}}), effects: "acquire request await append apply release", want: Halted},
		"a delayed transaction is not known": {events: join(begin, []Event{Delivered{preblock(6, "r")}, Missing{errDown}, Released{}}), effects: "acquire request await append release", want: Stalled},
		"the proposer refuses":               {events: []Event{lockedAt(5), Refusal{errDown}, Released{}}, effects: "acquire request release", want: Refused},
		"an event out of place":              {events: []Event{lockedAt(5), applied(6), Released{}}, effects: "acquire request release", want: Halted},
		"catching up": {
			sync: true,
			events: []Event{Locked{Token: 9, Head: headAt(5), Now: now}, Notified{}, Delivered{preblock(6, "x")}, Appended{record}, applied(6), Published{},
				Delivered{preblock(7, "y")}, Appended{record}, applied(7), Published{}, UpToDate{}, Notified{}, Released{}},
			effects: "acquire notify fetch append apply publish fetch append apply publish fetch notify release", want: Synced,
		},
		"nothing to catch up on an empty chain": {
			sync: true, events: []Event{lockedAt(0), UpToDate{}, Released{}}, effects: "acquire fetch release", want: Synced,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := Request{ID: "r", Sync: c.sync}
			if c.sync {
				r.ID = ""
			}
			s, effects := drive(r, c.events...)
			if effects != c.effects {
				t.Errorf("effects: got  %s\n              want %s", effects, c.effects)
			}
			if s.Phase != Ended || s.Result.Kind != c.want {
				t.Errorf("ended in %s with %+v, want outcome %d", s.Phase, s.Result, c.want)
			}
			if bad := c.want >= Refused; (s.Result.Problem() != nil) != bad {
				t.Errorf("error %v", s.Result.Problem())
			}
		})
	}
}

func TestDecreasingTimestampIsRefusedEqualAcceptedFarFutureRefused(t *testing.T) {
	head := headAt(5)
	at := func(d int64) time.Time { return time.Unix(head.Time+d, 0) }
	for name, c := range map[string]struct {
		asked time.Time
		now   time.Time
		want  int64
		err   error
	}{
		"before the head's":                 {asked: at(-1), now: now, err: ErrTimestampDecreased},
		"equal to the head's":               {asked: at(0), now: now, want: head.Time},
		"equal to a head ahead of us":       {asked: at(0), now: at(-3600), want: head.Time},
		"between head and now":              {asked: at(7), now: now, want: head.Time + 7},
		"the last second allowed":           {asked: now.Add(time.Minute), now: now, want: now.Unix() + 60},
		"a second later":                    {asked: now.Add(61 * time.Second), now: now, err: ErrTimestampAhead},
		"none: now":                         {now: now, want: now.Unix()},
		"none, and the head is ahead of us": {now: at(-10), want: head.Time},
	} {
		s, _ := Begin(Request{ID: "r", Timestamp: c.asked}, time.Minute)
		s, effect := step(s, Locked{Token: 1, Head: head, Now: c.now, Notified: true})
		if c.err != nil {
			if s.Phase != Releasing || s.Result.Kind != Refused || !errors.Is(s.Result.Err, c.err) {
				t.Errorf("%s: %+v", name, s.Result)
			}
		} else if submit, ok := effect.(Submit); !ok || submit.Timestamp != c.want {
			t.Errorf("%s: %+v", name, effect)
		}
	}
}

func TestAPreblockThatCannotFollowTheHeadHaltsBeforeAnythingIsStored(t *testing.T) {
	for name, change := range map[string]func(p *preblockv1.Preblock){
		"another parent":      func(p *preblockv1.Preblock) { p.Content.PreviousBlockHash[0] ^= 1; rehash(p) },
		"decreased timestamp": func(p *preblockv1.Preblock) { p.Content.Timestamp.Seconds = headAt(5).Time - 1; rehash(p) },
		"wrong content hash":  func(p *preblockv1.Preblock) { p.Content.Transactions = nil },
		"no content":          func(p *preblockv1.Preblock) { p.Content = nil },
		"empty transaction":   func(p *preblockv1.Preblock) { p.Content.Transactions = [][]byte{{}}; rehash(p) },
		"too large": func(p *preblockv1.Preblock) {
			p.Content.Transactions[0] = make([]byte, content.MaxBlueprintBytes)
			rehash(p)
		},
	} {
		p := preblock(6, "r")
		change(p)
		s, effects := drive(Request{ID: "r"}, lockedAt(5), Requested{}, Delivered{p}, Released{})
		if effects != "acquire request await release" || s.Result.Kind != Halted || !errors.Is(s.Result.Err, ErrBadPreblock) {
			t.Errorf("%s: %s, %+v", name, effects, s.Result)
		}
	}
}

// Keyholders have no chain, so a proposer could stop a chain that halted for this.
func TestACertifiedPreblockFollowsWhateverItSaysOfTheHead(t *testing.T) {
	for name, change := range map[string]func(p *preblockv1.Preblock){
		"another parent":      func(p *preblockv1.Preblock) { p.Content.PreviousBlockHash[0] ^= 1; rehash(p) },
		"decreased timestamp": func(p *preblockv1.Preblock) { p.Content.Timestamp.Seconds = headAt(5).Time - 1; rehash(p) },
		"wrong content hash":  func(p *preblockv1.Preblock) { p.Content.Transactions = nil },
		"empty transaction":   func(p *preblockv1.Preblock) { p.Content.Transactions = [][]byte{{}}; rehash(p) },
	} {
		p := preblock(6, "r")
		p.Certificate = &preblockv1.Certificate{}
		change(p)
		keyholdersCheck := name == "wrong content hash" || name == "empty transaction"
		if err := Follows(headAt(5), p); errors.Is(err, ErrBadPreblock) != keyholdersCheck {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func rehash(p *preblockv1.Preblock) {
	hash := content.HashOf(p.Content)
	p.ContentHash = hash[:]
}

func TestEffectsCarryWhatTheStateKnows(t *testing.T) {
	s, _ := Begin(Request{ID: "r", Force: true}, time.Minute)
	s, effect := step(s, lockedAt(5))
	if e := effect.(Submit); e.Request.ID != "r" || !e.Request.Force || e.Token != 9 {
		t.Errorf("%+v", e)
	}
	s, effect = step(s, Requested{})
	if e := effect.(Await); e != (Await{RequestID: "r", Number: 6}) {
		t.Errorf("%+v", e)
	}
	p := preblock(6, "other")
	s, effect = step(s, Delivered{p})
	if e := effect.(Append); e != (Append{Preblock: p, Head: headAt(5), Token: 9, Holder: "me"}) {
		t.Errorf("%+v", e)
	}
	for _, e := range []Event{Appended{}, applied(6), Published{}} {
		s, effect = step(s, e)
	}
	if e := effect.(Notify); e != (Notify{RequestID: "other", Number: 6}) {
		t.Errorf("%+v", e)
	}
	_, effect = step(s, Notified{})
	if e := effect.(Await); e != (Await{RequestID: "r", Number: 7}) {
		t.Errorf("%+v", e)
	}
}
