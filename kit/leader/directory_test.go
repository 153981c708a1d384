package leader_test

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"blindseq/kit/leader"
	"blindseq/kit/redistest"
)

func directoryForT(t *testing.T, r redistest.Redis) *leader.Directory {
	t.Helper()
	d := leader.NewDirectory(r.NewClient(t), "producer", "proposer")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the directory ended with %v", err)
		}
	})
	return d
}

func wantLeader(t *testing.T, d *leader.Directory, want leader.Endpoint) {
	t.Helper()
	deadline := time.After(patience)
	for {
		changed := d.Changed()
		got, _ := d.Current("producer")
		if got == want {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("the leader is %+v, want %+v", got, want)
		}
	}
}

func TestTheDirectoryFollowsTheLeaderAndKeepsTheLastOne(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		ea, eb := leader.Endpoint{GRPC: "a:1", RPC: "http://a:2"}, leader.Endpoint{GRPC: "b:1"}
		d := directoryForT(t, r)
		if e, ok := d.Current("producer"); ok {
			t.Fatalf("a leader from nowhere: %+v", e)
		}
		a := campaignForT(t, r, longTTL, ea)
		wantLeader(t, d, ea)
		receive(t, a.terms)
		a.cancel()
		receive(t, a.ended)
		b := campaignForT(t, r, longTTL, eb)
		wantLeader(t, d, eb)
		receive(t, b.terms)

		r.Stop(t)
		b.cancel()
		receive(t, b.ended)
		d.Refresh()
		wantLeader(t, d, eb)
		r.Start(t)
		r.Client.Del(t.Context(), redistest.Names.LockLease("producer"))
		campaignForT(t, r, longTTL, ea)
		wantLeader(t, d, ea)
		if e, ok := d.Current("proposer"); ok {
			t.Errorf("a proposer leads: %+v", e)
		}
	})
}

func TestTheDirectoryTellsWhenTheSameLeadsAnew(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		e := leader.Endpoint{GRPC: "a:1"}
		d := directoryForT(t, r)
		for range 2 {
			changed := d.Changed()
			a := campaignForT(t, r, longTTL, e)
			receive(t, a.terms)
			select {
			case <-changed:
			case <-time.After(patience):
				t.Fatal("not told of the term")
			}
			wantLeader(t, d, e)
			a.cancel()
			receive(t, a.ended)
		}
	})
}

func TestTheDirectoryIgnoresARecordItCannotRead(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		e := leader.Endpoint{GRPC: "a:1"}
		d := directoryForT(t, r)
		campaignForT(t, r, longTTL, e)
		wantLeader(t, d, e)
		for _, bad := range []string{"", "{", `{"grpc":7}`, `{"rpc":"http://x"}`, "\xff"} {
			if err := r.Client.HSet(t.Context(), redistest.Names.LockLease("producer"), "meta", bad).Err(); err != nil {
				t.Fatal(err)
			}
			d.Refresh()
			wantLeader(t, d, e)
		}
	})
}

// serverForT serves gRPC health, and says in a header who it is.
func serverForT(t *testing.T, name string) (leader.Endpoint, *grpc.Server) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.UnaryInterceptor(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			_ = grpc.SetHeader(ctx, metadata.Pairs("who", name))
			return next(ctx, req)
		}))
	healthv1.RegisterHealthServer(s, health.NewServer())
	go func() { _ = s.Serve(listener) }()
	t.Cleanup(s.Stop)
	return leader.Endpoint{GRPC: listener.Addr().String()}, s
}

func dialForT(t *testing.T, d *leader.Directory) healthv1.HealthClient {
	t.Helper()
	conn, err := grpc.NewClient("leader:///producer", d.DialOption(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return healthv1.NewHealthClient(conn)
}

func who(ctx context.Context, client healthv1.HealthClient) (string, error) {
	var header metadata.MD
	_, err := client.Check(ctx, &healthv1.HealthCheckRequest{}, grpc.Header(&header))
	if err != nil {
		return "", err
	}
	return header.Get("who")[0], nil
}

// wantAnswerFrom calls until the answer is that server's, as a client with retries does.
func wantAnswerFrom(t *testing.T, client healthv1.HealthClient, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		got, err := who(ctx, client)
		if err == nil && got == want {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("answered by %q, %v, want %q", got, err, want)
		}
	}
}

func TestCallsWaitUntilALeaderIsKnown(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		e, _ := serverForT(t, "a")
		client := dialForT(t, directoryForT(t, r))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := who(ctx, client); status.Code(err) != codes.DeadlineExceeded {
			t.Fatalf("got %v, want the deadline", err)
		}
		got := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			_, err := who(ctx, client)
			got <- err
		}()
		campaignForT(t, r, longTTL, e)
		if err := receive(t, got); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCallsFollowTheLeader(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		ea, sa := serverForT(t, "a")
		eb, _ := serverForT(t, "b")
		ec, _ := serverForT(t, "c")
		client := dialForT(t, directoryForT(t, r))
		a := campaignForT(t, r, longTTL, ea)
		wantAnswerFrom(t, client, "a")
		receive(t, a.terms)

		// A leader hands over and lives on: its address must be left.
		b := campaignForT(t, r, longTTL, eb)
		a.cancel()
		wantAnswerFrom(t, client, "b")
		receive(t, b.terms)
		sa.Stop()

		// Redis is gone for a while, then empty or with an old record; another leads after it.
		r.Stop(t)
		if got, err := who(t.Context(), client); err != nil || got != "b" {
			t.Fatalf("without redis: answered by %q, %v", got, err)
		}
		b.cancel()
		receive(t, b.ended)
		r.Start(t)
		r.Client.Del(t.Context(), redistest.Names.LockLease("producer"))
		campaignForT(t, r, longTTL, ec)
		wantAnswerFrom(t, client, "c")
	})
}

func TestATargetNobodyFollowsIsRefused(t *testing.T) {
	d := leader.NewDirectory(redistest.Mini(t).Client, "producer")
	conn, err := grpc.NewClient("leader:///nobody", d.DialOption(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := who(ctx, healthv1.NewHealthClient(conn)); status.Code(err) != codes.Unavailable {
		t.Fatalf("got %v", err)
	}
}
