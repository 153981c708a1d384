package redisx_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"blindseq/kit/redistest"
	"blindseq/kit/redisx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOpenRefusesBadURLsWithoutTellingThePassword(t *testing.T) {
	const secret = "s3cr3t"
	for _, bad := range []string{
		"", "localhost:6379", "http://:" + secret + "@h:1", "redis://:" + secret + "@h:port", "redis://:" + secret + "@h:1/x",
		"redis://:" + secret + "@h:1/0?nope=1", "redis://u:" + secret + "%zz@h:1", "redis://u:" + secret + "@h:1\x00",
		"redis+sentinel://:" + secret + "@a:1,b:2/0", "redis+sentinel://:" + secret + "@a,b:2/0?master=m",
		"redis+sentinel://:" + secret + "@a:1/zero?master=m", "redis+sentinel://:" + secret + "@/0?master=m",
		"redis+sentinel://:" + secret + "@a:1/0?master=m&nope=1", "redis+sentinel://:" + secret + "%@a:1/0?master=m",
	} {
		client, err := redisx.Open(redisx.Config{URL: bad, Deployment: "test"})
		if !errors.Is(err, redisx.ErrURL) {
			t.Errorf("%q: got %v, want ErrURL", bad, err)
			if client != nil {
				_ = client.Close()
			}
			continue
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestOpenSetsWhatALockNeeds(t *testing.T) {
	for _, url := range []string{
		"redis://user:p%40ss@localhost:6380/3", "rediss://user:p%40ss@localhost:6380/3",
		"redis+sentinel://user:p%40ss@a:26379,b:26379/3?master=mymaster", "rediss+sentinel://user:p%40ss@a:26379/3?master=mymaster",
	} {
		client, err := redisx.Open(redisx.Config{URL: url, Deployment: "test"})
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		defer client.Close()
		o := client.UniversalClient.(*redis.Client).Options()
		if o.MaxRetries != 0 { // go-redis turns -1 into 0 retries
			t.Errorf("%s: %d retries", url, o.MaxRetries)
		}
		if !o.ContextTimeoutEnabled || o.DialTimeout != time.Second || o.ReadTimeout != time.Second {
			t.Errorf("%s: timeouts %v %v %v", url, o.ContextTimeoutEnabled, o.DialTimeout, o.ReadTimeout)
		}
		if o.Username != "user" || o.Password != "p@ss" || o.DB != 3 {
			t.Errorf("%s: user %q, db %d", url, o.Username, o.DB)
		}
		if secure := strings.HasPrefix(url, "rediss"); secure != (o.TLSConfig != nil) {
			t.Errorf("%s: TLS is %v", url, o.TLSConfig != nil)
		}
	}
}

func TestAClientGivesUpOnADeadRedisSoon(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		r.Stop(t)
		start := time.Now()
		if err := r.Client.Ping(t.Context()).Err(); err == nil {
			t.Fatal("a stopped Redis answered")
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Fatalf("it took %v", took)
		}
	})
}

func TestWatchTellsMessagesAndEveryNewSubscription(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		ctx, cancel := context.WithCancel(t.Context())
		got, ended := make(chan string, 16), make(chan error, 1)
		watcher := r.NewClient(t)
		go func() {
			ended <- redisx.Watch(ctx, watcher, func(channel, payload string) { got <- channel + "=" + payload }, "news")
		}()
		want := func(text string) {
			t.Helper()
			select {
			case g := <-got:
				if g != text {
					t.Fatalf("got %q, want %q", g, text)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("no %q", text)
			}
		}
		want("news=")
		r.Client.Publish(ctx, "news", "one")
		want("news=one")
		r.Stop(t)
		r.Start(t)
		want("news=")
		if err := r.Client.Publish(ctx, "news", "two").Err(); err != nil {
			t.Fatal(err)
		}
		want("news=two")
		cancel()
		if err := <-ended; err != nil {
			t.Fatalf("watch ended with %v", err)
		}
	})
}

func TestWatchAsksAgainWhenItsSubscriptionIsRefused(t *testing.T) {
	r := redistest.Real(t)
	may := func(channels string) {
		t.Helper()
		if err := r.Client.Do(t.Context(), "ACL", "SETUSER", "default", channels).Err(); err != nil {
			t.Fatal(err)
		}
	}
	may("resetchannels")
	got, watcher := make(chan string, 16), r.NewClient(t)
	go func() {
		_ = redisx.Watch(t.Context(), watcher, func(channel, payload string) { got <- channel + "=" + payload }, "news")
	}()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if refused, err := r.Client.ACLLog(t.Context(), 1).Result(); err != nil {
			t.Fatal(err)
		} else if len(refused) > 0 && refused[0].Reason == "channel" {
			break
		} else if time.Now().After(deadline) {
			t.Fatal("it did not subscribe")
		}
	}
	may("allchannels")
	select {
	case g := <-got:
		if g != "news=" {
			t.Fatalf("got %q", g)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it stays without a subscription")
	}
}

func TestWatchEndsWhenItsClientIsClosed(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		client := r.NewClient(t)
		ready, ended := make(chan struct{}, 8), make(chan error, 1)
		go func() {
			ended <- redisx.Watch(t.Context(), client, func(string, string) { ready <- struct{}{} }, "news")
		}()
		<-ready
		_ = client.Close()
		select {
		case err := <-ended:
			if !errors.Is(err, redisx.ErrWatchEnded) {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it goes on without a client")
		}
	})
}
