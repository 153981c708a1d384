package sim

import (
	"time"

	"blindseq/producer-svc/section"
)

// callers serves requests for a block, first in, first out, two sections at a time: one holds the lock, one waits for it.
type callers struct {
	p       *producerNode
	calls   map[string]*wish
	queue   []*wish
	running int
	term    int // counts the times of leading
}

// wish is one request id that is being served, and everyone who waits for it.
type wish struct {
	r       section.Request
	answers []func(section.Result, error)
}

// produce is ProduceBlock.
func (d *callers) produce(r section.Request, answer func(section.Result, error)) {
	if block := d.p.known(r.ID); block != nil && !d.p.w.bug(ForgetsServedRequests) {
		answer(section.Result{Kind: section.Produced, Block: *block}, nil)
		return
	}
	if !d.p.leading {
		answer(section.Result{}, errNotLeading)
		return
	}
	w := d.calls[r.ID]
	if w == nil {
		w = &wish{r: r}
		d.calls[r.ID] = w
		d.queue = append(d.queue, w)
	}
	w.answers = append(w.answers, answer)
	d.pump()
}

func (d *callers) pump() {
	for d.p.leading && d.running < 2 && len(d.queue) > 0 {
		w := d.queue[0]
		d.queue = d.queue[1:]
		d.running++
		d.serve(w)
	}
}

func (d *callers) serve(w *wish) {
	term := d.term
	d.p.run(w.r, func(r section.Result) {
		if r.Kind != section.Interrupted || !d.p.leading {
			d.served(w, r)
			return
		}
		d.p.later(time.Millisecond, func() {
			if d.term == term {
				d.serve(w)
				return
			}
			d.served(w, r)
		})
	})
}

func (d *callers) served(w *wish, r section.Result) {
	d.running--
	d.finish(w, r)
	d.pump()
}

func (d *callers) finish(w *wish, r section.Result) {
	delete(d.calls, w.r.ID)
	err := r.Err
	if r.Kind == section.Interrupted {
		err = errNotLeading
	}
	for _, answer := range w.answers {
		answer(r, err)
	}
}

// close sends everyone who waits away.
func (d *callers) close() {
	queue := d.queue
	d.queue = nil
	d.term++
	for _, w := range queue {
		d.finish(w, section.Result{Kind: section.Interrupted})
	}
}
