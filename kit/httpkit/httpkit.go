// Package httpkit serves HTTP until a context ends, with a stop that is bounded.
//
// It guarantees: when the context ends, no connection is accepted any more; requests that run get a bounded time, then their
// contexts end, and then they are cut off. It asks of callers: end streams by http.Server.RegisterOnShutdown.
package httpkit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Grace is how long requests that run have when the server stops.
type Grace struct {
	Drain time.Duration // to end by themselves
	Abort time.Duration // to answer after their contexts ended
}

// Serve serves s on l until ctx ends, and returns nil then. name says what is served, in errors. s.BaseContext is set here.
// With s.TLSConfig it serves TLS.
func Serve(ctx context.Context, name string, s *http.Server, l net.Listener, g Grace) error {
	running, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	s.BaseContext = func(net.Listener) context.Context { return running }
	served := make(chan error, 1)
	go func() {
		if s.TLSConfig != nil {
			served <- s.ServeTLS(l, "", "")
		} else {
			served <- s.Serve(l)
		}
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", name, err)
	case <-ctx.Done():
	}
	if shutdown(s, g.Drain) != nil {
		abort()
		if shutdown(s, g.Abort) != nil {
			_ = s.Close() // it cuts off what did not end; the listener is closed already
		}
	}
	<-served
	return nil
}

// shutdown has a bound of its own: the context that ended is why it is called.
func shutdown(s *http.Server, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return s.Shutdown(ctx)
}

// Close frees the port of a listener whose server never ran. After Serve it does nothing.
func Close(l net.Listener) error {
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
