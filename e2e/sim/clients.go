package sim

import (
	"encoding/binary"
	"fmt"
	"time"

	"blindseq/e2e/history"
	"blindseq/kit/content"
	"blindseq/kit/rediskeys"
	"blindseq/producer-svc/section"

	"github.com/ethereum/go-ethereum/common"
)

// client is everybody outside: wallets that send transactions and resend them until they are in a block, and callers that
// ask for blocks, under the same id until they get an answer.
type client struct {
	*process
	wallets []*wallet
	calls   int // open
	asked   int
	closed  bool // asks for nothing more
}

// wallet is one account.
type wallet struct {
	c       *client
	account byte
	nonce   uint16
	seq     uint16 // of its next sealed transaction
	sent    []*sent
}

// sent is a transaction of a wallet.
type sent struct {
	transaction
	acked bool
	by    *producerNode // who acknowledged it
}

func (c *client) begin() {
	for i := range 3 {
		w := &wallet{c: c, account: byte(i)}
		c.wallets = append(c.wallets, w)
		c.later(c.some(200*time.Millisecond), w.spend)
		c.later(700*time.Millisecond, w.resend)
	}
	for i := range 2 {
		c.later(c.some(400*time.Millisecond), func() { c.ask(i) })
	}
	c.later(c.some(time.Second), c.misbehave)
}

// some is a random time around d.
func (c *client) some(d time.Duration) time.Duration {
	return d/2 + time.Duration(c.w.rng.Int64N(int64(d)))
}

func (c *client) leader() *producerNode {
	return c.w.producer(c.w.leader(c.process, rediskeys.ProducerLease))
}

func (w *wallet) spend() {
	if w.c.closed {
		return
	}
	w.send()
	w.c.later(w.c.some(700*time.Millisecond), w.spend)
}

func (w *wallet) send() {
	raw := binary.BigEndian.AppendUint16([]byte{w.account}, w.nonce)
	w.nonce++
	if raw = append(raw, 1); w.c.w.rng.IntN(5) == 0 && w.c.w.plan.Hostile == Honest {
		raw = append(binary.BigEndian.AppendUint16(raw, w.seq), secret)
		w.seq++
	}
	s := &sent{transaction: transaction{raw, content.Keccak(raw)}}
	w.sent = append(w.sent, s)
	w.offer(s)
}

func (w *wallet) offer(s *sent) {
	p := w.c.leader()
	if p == nil {
		return
	}
	began := w.c.w.now
	call(w.c.process, p.process, callTimeout, func(answer func(bool, error)) { p.submitTx(s.raw, answer) }, func(_ bool, err error) {
		if err != nil {
			return
		}
		s.acked, s.by = true, p
		w.c.w.h.Acks = append(w.c.w.h.Acks, history.Ack{Tx: s.hash, By: p.name, Sent: began, At: w.c.w.now})
	})
}

// resend sends again what is in no block of the leader, and asks for one that was acknowledged.
func (w *wallet) resend() {
	if p := w.c.leader(); p != nil {
		for _, s := range w.sent {
			if s.by != p && p.chain.done[s.hash] == 0 { // p itself keeps what it acknowledged
				w.offer(s)
			}
		}
	}
	if n := len(w.sent); n > 0 {
		w.lookUp(w.sent[w.c.w.rng.IntN(n)])
	}
	w.c.later(w.c.some(800*time.Millisecond), w.resend)
}

// lookUp asks the producer that acknowledged a transaction where it is.
func (w *wallet) lookUp(s *sent) {
	p := s.by
	if p == nil {
		return
	}
	began := w.c.w.now
	call(w.c.process, p.process, callTimeout, func(answer func(bool, error)) { answer(p.has(s.hash), nil) }, func(found bool, err error) {
		if err == nil {
			w.c.w.h.Lookups = append(w.c.w.h.Lookups, history.Lookup{Tx: common.Hash(s.hash), Started: began, Found: found})
		}
	})
}

// ask asks for a block, and for the next some time after the answer.
func (c *client) ask(i int) {
	if c.closed {
		return
	}
	c.asked++
	c.calls++
	r := section.Request{ID: fmt.Sprintf("caller-%d/%d", i, c.asked), Force: true, WithDelayed: true, Priority: true}
	c.produce(r, c.w.now, func() {
		c.calls--
		c.later(c.some(900*time.Millisecond), func() { c.ask(i) })
	})
}

func (c *client) produce(r section.Request, began time.Duration, done func()) {
	again := func() { c.later(c.some(200*time.Millisecond), func() { c.produce(r, began, done) }) }
	p := c.leader()
	if p == nil {
		again()
		return
	}
	call(c.process, p.process, 6*time.Second, func(answer func(section.Result, error)) {
		p.callers.produce(r, func(result section.Result, err error) { answer(c.w.spoilResult(p, result), err) })
	}, func(result section.Result, err error) {
		if err != nil {
			again()
			return
		}
		c.w.answered(r.ID, began, result)
		done()
	})
}

// misbehave sends what cannot be a transaction.
func (c *client) misbehave() {
	if p := c.leader(); p != nil {
		call(c.process, p.process, callTimeout, func(answer func(bool, error)) { p.submitTx([]byte{9}, answer) }, func(bool, error) {})
	}
	if !c.closed {
		c.later(c.some(3*time.Second), c.misbehave)
	}
}

// waiting counts the work left: transactions in no block of the leader, and calls without an answer.
func (c *client) waiting() int {
	n := c.calls
	p := c.leader()
	for _, w := range c.wallets {
		for _, s := range w.sent {
			if p == nil || p.chain.done[s.hash] == 0 {
				n++
			}
		}
	}
	return n
}
