package network

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/Shopify/toxiproxy/v2"
)

// listenWithin bounds the retries on an address that seems to be in use.
const listenWithin = 5 * time.Second

// Link is the connections from one process to another. A fault lasts until Repair.
type Link struct {
	Name, From, To string

	proxy *toxiproxy.Proxy
}

// Address is where the link listens.
func (l *Link) Address() string { return l.proxy.Listen }

// Cut breaks all connections and refuses new ones.
func (l *Link) Cut() { l.proxy.Stop() }

// Slow delays everything, in both directions.
func (l *Link) Slow(by time.Duration) error {
	return l.both("latency", map[string]any{"latency": by.Milliseconds()})
}

// Reset breaks each connection with a TCP reset as soon as something is sent on it.
func (l *Link) Reset() error { return l.both("reset_peer", map[string]any{"timeout": 0}) }

// Swallow accepts connections and loses everything sent on them, in both directions.
func (l *Link) Swallow() error { return l.both("timeout", map[string]any{"timeout": 0}) }

// SwallowRequests and SwallowAnswers lose what is sent in one direction alone: to the process that was connected to, or from it.
func (l *Link) SwallowRequests() error { return l.swallow("upstream") }
func (l *Link) SwallowAnswers() error  { return l.swallow("downstream") }

func (l *Link) swallow(direction string) error {
	_, err := l.add("timeout", direction, map[string]any{"timeout": 0})
	return err
}

// HalfOpen loses everything sent on the existing connections without closing them, as when a machine vanishes. New
// connections work.
func (l *Link) HalfOpen() (*Vanished, error) {
	v := &Vanished{Link: l, since: time.Now()}
	for _, direction := range []string{"upstream", "downstream"} {
		added, err := l.add(halfOpenType, direction, map[string]any{"before": time.Now().Add(grace).UnixNano()})
		if err != nil {
			return nil, err
		}
		v.toxics = append(v.toxics, added.(*halfOpen))
	}
	return v, nil
}

func (l *Link) both(kind string, attributes map[string]any) error {
	for _, direction := range []string{"upstream", "downstream"} {
		if _, err := l.add(kind, direction, attributes); err != nil {
			return err
		}
	}
	return nil
}

func (l *Link) add(kind, direction string, attributes map[string]any) (any, error) {
	raw, err := json.Marshal(map[string]any{"name": kind + direction, "type": kind, "stream": direction, "attributes": attributes})
	if err != nil {
		return nil, fmt.Errorf("break %s: %w", l.Name, err)
	}
	w, err := l.proxy.Toxics.AddToxicJson(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("break %s (%s): %w", l.Name, kind, err)
	}
	return w.Toxic, nil
}

// Repair ends every fault. Connections on which something was lost are broken: what follows could not be understood.
func (l *Link) Repair(ctx context.Context) error {
	l.proxy.Toxics.ResetToxics(ctx) // first, while what is held back can still be delivered
	l.proxy.Stop()
	if err := l.listen(ctx); err != nil {
		return fmt.Errorf("repair %s: %w", l.Name, err)
	}
	return nil
}

// listen takes the address. A process that is just being started has a copy of what was closed, for a moment.
func (l *Link) listen(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, listenWithin)
	defer cancel()
	for {
		err := l.proxy.Start()
		if err == nil || errors.Is(err, toxiproxy.ErrProxyAlreadyStarted) {
			return nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}
