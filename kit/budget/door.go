package budget

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// Door is a listener with at most so many connections open, and of one address as many as its budget allows. Those of proxies are the
// proxy's own, and count for nobody. When all are taken, the one that has been idle for longest is closed for a new one: nobody can
// keep others out by holding connections, from however many addresses. While none is idle, a new one waits.
type Door struct {
	net.Listener
	b    *Budget
	most int

	mu     sync.Mutex
	freed  sync.Cond // a connection has ended or is idle, or closed is true
	open   map[*visitor]struct{}
	idle   list.List // of *visitor, the longest idle first
	closed bool
}

// visitor is one connection.
type visitor struct {
	net.Conn
	door    *Door
	release func() // its place in the budget of its address
	idle    *list.Element
}

// Door makes a listener's. An http.Server that uses it has its State as ConnState. A nil budget bounds no address.
func (b *Budget) Door(l net.Listener, most int) *Door {
	d := &Door{Listener: l, b: b, most: most, open: map[*visitor]struct{}{}}
	d.freed.L = &d.mu
	return d
}

// Accept waits for a connection that may stay.
func (d *Door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if v := d.admit(conn); v != nil {
			return v, nil
		}
		_ = conn.Close() // refused
	}
}

// admit returns nil for a connection that is refused.
func (d *Door) admit(conn net.Conn) *visitor {
	v := &visitor{Conn: conn, door: d, release: func() {}}
	if addr, ok := addressOf(conn.RemoteAddr().String()); ok && d.b != nil && !addr.IsLoopback() && !d.b.trusted(addr) {
		c, err := d.b.acquire(identity{addr: network(addr), factor: 1}, Connections, d.b.flags.Connections)
		if err != nil {
			return nil
		}
		v.release = func() { c.release(Connections) }
	}
	gone, entered := d.enter(v)
	if !entered {
		v.release()
		return nil
	}
	if gone != nil {
		gone.leave()
		if d.b != nil {
			d.b.refused(Connections)
		}
	}
	return v
}

// enter waits for a place, and returns the connection to be closed for it. It is false when the door is closed.
func (d *Door) enter(v *visitor) (gone *visitor, entered bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.open) >= d.most && d.idle.Len() == 0 && !d.closed {
		d.freed.Wait()
	}
	if d.closed {
		return nil, false
	}
	if len(d.open) >= d.most {
		gone, _ = d.idle.Front().Value.(*visitor)
		d.forget(gone)
	}
	d.open[v] = struct{}{}
	v.idle = d.idle.PushBack(v)
	return gone, true
}

// Close ends the listener; connections go on.
func (d *Door) Close() error {
	d.mu.Lock()
	d.closed = true
	d.freed.Broadcast()
	d.mu.Unlock()
	return d.Listener.Close()
}

// State notes which connections are idle.
func (d *Door) State(conn net.Conn, state http.ConnState) {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = secure.NetConn()
	}
	v, ok := conn.(*visitor)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, open := d.open[v]; !open {
		return
	}
	v.busy()
	if state == http.StateIdle || state == http.StateNew {
		v.idle = d.idle.PushBack(v)
		d.freed.Broadcast()
	}
}

// busy takes it out of the idle ones. The caller holds mu.
func (v *visitor) busy() {
	if v.idle != nil {
		v.door.idle.Remove(v.idle)
		v.idle = nil
	}
}

// forget takes it out of all. The caller holds mu.
func (d *Door) forget(v *visitor) bool {
	_, open := d.open[v]
	delete(d.open, v)
	v.busy()
	d.freed.Broadcast()
	return open
}

// leave closes it and gives back its place.
func (v *visitor) leave() {
	v.release()
	_ = v.Conn.Close() // nobody waits for its end
}

// Close ends the connection.
func (v *visitor) Close() error {
	v.door.mu.Lock()
	open := v.door.forget(v)
	v.door.mu.Unlock()
	if open {
		v.release()
	}
	return v.Conn.Close()
}
