package rounds

import (
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// Final is the newest content with sealed transactions that became final in this process, before it is opened; nil for none. The
// channel is closed when there is another. Who is slow misses some: their preblocks have the same.
func (d *Driver) Final() (newest *preblockv1.Final, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.newest, d.finals.Changed()
}

// tellFinal shows the content of a round that is final to those who follow.
func (r *runningRound) tellFinal(c *preblockv1.Certificate) {
	hash := r.statement.Content
	r.d.note(func() {
		r.d.newest = &preblockv1.Final{Content: r.content, ContentHash: hash[:], Certificate: c}
		r.d.finals.Notify()
	})
}
