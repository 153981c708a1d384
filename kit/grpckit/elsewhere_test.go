//go:build linux

package grpckit

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"blindseq/kit/config"
	"blindseq/kit/ops"
	"blindseq/kit/testaddr"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/dns/dnsmessage"
	"google.golang.org/grpc"
)

// TestAPeerIsFoundWhereItsNameLeadsNow: its old address does not answer at all, as that of a pod that has gone. Without limits of our
// own the library tries it for 20 s, and looks the name up every 30 s.
func TestAPeerIsFoundWhereItsNameLeadsNow(t *testing.T) {
	address := testaddr.Next(t)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	before := testaddr.New().Host // of the same port
	names := nameServer(t, before)
	stop := serveAt(t, net.JoinHostPort(before, port))
	c := client(t, "dns://"+names.address+"/peer.test.:"+port, config.TLS{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := c.GetPreblock(ctx, &preblockv1.GetPreblockRequest{Number: 9}); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	blackHole(t, net.JoinHostPort(before, port))
	serveAt(t, address)
	<-names.asked // so it tries the old address again
	gone := time.Now()
	names.answer.Store(&host)
	if _, err := c.GetPreblock(ctx, &preblockv1.GetPreblockRequest{Number: 9}, grpc.WaitForReady(true)); err != nil {
		t.Fatal(err)
	}
	t.Logf("found after %v", time.Since(gone))
}

// TestADialWithoutAnswerEnds long before the system gives up, which takes minutes.
func TestADialWithoutAnswerEnds(t *testing.T) {
	address := testaddr.Next(t)
	blackHole(t, address)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := connect(ctx, address)
	if err == nil {
		conn.Close()
		t.Fatal("it answers")
	}
	if ctx.Err() != nil {
		t.Fatalf("it has no end of its own: %v", err)
	}
}

func serveAt(t *testing.T, address string) (stop func() error) {
	t.Helper()
	s, err := NewServer(ServerConfig{
		Address: address, Health: ops.NewHealth(), Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	preblockv1.RegisterMonitorServiceServer(s.Registrar(), monitor{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(cancel)
	return func() error { cancel(); return <-done }
}

// blackHole takes an address and lets no connect to it succeed: the queue of those that nobody accepts is full.
func blackHole(t *testing.T, address string) {
	t.Helper()
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	err = errors.Join(
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(fd, &syscall.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}),
		syscall.Listen(fd, 0))
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		conn, err := net.DialTimeout("tcp", address, 300*time.Millisecond)
		if err != nil {
			return
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatalf("%s answers", address)
}

// names is a DNS server that gives one address for every name.
type names struct {
	address string
	answer  atomic.Pointer[string]
	asked   chan struct{} // takes one at each look-up, if somebody waits for it
}

func nameServer(t *testing.T, answer string) *names {
	t.Helper()
	address := testaddr.Next(t)
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	n := &names{address: address, asked: make(chan struct{})}
	n.answer.Store(&answer)
	served := make(chan struct{})
	go func() { defer close(served); n.serve(conn) }()
	t.Cleanup(func() { conn.Close(); <-served })
	return n
}

func (n *names) serve(conn net.PacketConn) {
	buffer := make([]byte, 1500)
	for {
		size, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buffer[:size]) != nil {
			continue
		}
		m.Response, m.Additionals = true, nil
		for _, q := range m.Questions {
			if q.Type == dnsmessage.TypeA {
				m.Answers = append(m.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type, TTL: 30},
					Body:   &dnsmessage.AResource{A: netip.MustParseAddr(*n.answer.Load()).As4()},
				})
			}
		}
		if reply, err := m.Pack(); err == nil {
			_, _ = conn.WriteTo(reply, from)
		}
		select {
		case n.asked <- struct{}{}:
		default:
		}
	}
}
