package budget

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// always is what each client may have in memory, however much others have: a request of a usual size is taken.
const always = 64 << 10

// unitBytes of a request cost a compute unit, whatever becomes of it: they have to be read and parsed before it can be refused.
const unitBytes = 1 << 10

// Bytes is what one request has in memory. A nil one counts nothing. It is used by one goroutine at a time.
type Bytes struct {
	b     *Budget
	c     *Client // nil without a budget of its own
	taken int64
}

// Message is an account for one message of a WebSocket. Release it when the message is gone.
func Message(ctx context.Context) *Bytes {
	if a := accountOf(ctx); a != nil {
		return &Bytes{b: a.b, c: a.c}
	}
	return nil
}

// Announced refuses a request of n bytes whose client has so many in memory that they cannot be taken: none of them is read then.
// It takes no room for them.
func Announced(ctx context.Context, n int64) error {
	a := accountOf(ctx)
	if a == nil || a.c == nil {
		return nil
	}
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	if own := a.c.reading + n; own > always && own > a.c.quarter() {
		return a.tooMuch()
	}
	return nil
}

// Reader counts what is read for a request, as it arrives. What exceeds a bound is not read on.
func Reader(ctx context.Context, from io.Reader) io.Reader { return accountOf(ctx).Reader(from) }

// Reader counts what is read.
func (a *Bytes) Reader(from io.Reader) io.Reader {
	if a == nil {
		return from
	}
	return &reader{from, a}
}

type reader struct {
	from io.Reader
	a    *Bytes
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if refused := r.a.take(int64(n)); refused != nil {
		return 0, refused
	}
	return n, err
}

func (a *Bytes) take(n int64) error {
	b, most := a.b, a.b.flags.ReadingBytes
	b.mu.Lock()
	defer b.mu.Unlock()
	own := a.taken
	if a.c != nil {
		own = a.c.reading
	}
	tooMuch := b.reading+n > most || a.c != nil && own+n > a.c.quarter()
	if own+n > always && tooMuch {
		return a.tooMuch()
	}
	b.reading += n
	before := a.taken
	a.taken += n
	if a.c != nil {
		a.c.reading += n
		a.c.owe(int(a.taken/unitBytes - before/unitBytes))
	}
	return nil
}

// quarter is how many bytes a client may have in memory.
func (c *Client) quarter() int64 { return c.b.flags.ReadingBytes / 4 * int64(c.factor) }

// tooMuch refuses. The caller holds mu.
func (a *Bytes) tooMuch() error {
	a.b.refused(Reading)
	return &Refusal{Reading, time.Second, fmt.Sprintf("requests have %d bytes in memory, at most %d, and those of one client a quarter", a.b.reading, a.b.flags.ReadingBytes)}
}

// Unread says whether a request that is refused has so long a body that its connection is closed: the server would read it first.
func Unread(r *http.Request) bool { return r.ContentLength < 0 || r.ContentLength > always }

// Release gives back all of it. Again is harmless.
func (a *Bytes) Release() {
	if a == nil || a.taken == 0 {
		return
	}
	a.b.mu.Lock()
	defer a.b.mu.Unlock()
	a.b.reading -= a.taken
	if a.c != nil {
		a.c.reading -= a.taken
	}
	a.taken = 0
}
