package auth

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const secret = "0123456789abcdef"

func tokenFile(t *testing.T, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func policy(t *testing.T, addr string, withToken, everywhere bool) Policy {
	t.Helper()
	var tokens *Tokens
	if withToken {
		tokens = opened(t, tokenFile(t, " "+secret+"\n", 0o600))
	}
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPolicy(tokens, a, everywhere)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func opened(t *testing.T, path string) *Tokens {
	t.Helper()
	tokens, err := OpenTokens(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// TestTokensAreExchangedOneClientAfterTheOther: both are taken meanwhile, without a restart, and the old one no longer afterwards.
func TestTokensAreExchangedOneClientAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const older, newer = secret, "fedcba9876543210"
		path := tokenFile(t, older, 0o600)
		var log bytes.Buffer
		tokens, err := OpenTokens(path, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			name, content string
			old, new      bool
			told          int
		}{
			{"one", older + "\n", true, false, 0},
			{"both", older + "\n\n" + newer + "\n", true, true, 0},
			{"a file that cannot be used", "short\n", true, true, 1},
			{"the same again", "short\n", true, true, 1},
			{"an empty file", "", true, true, 2},
			{"the new one", newer + "\n", false, true, 2},
		} {
			if err := os.WriteFile(path, []byte(step.content), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(lookEvery)
			o, n, told := tokens.matches(older), tokens.matches(newer), strings.Count(log.String(), "level=ERROR")
			if o != step.old || n != step.new || told != step.told {
				t.Errorf("%s: the old one is taken: %t, the new one: %t, logged: %s", step.name, o, n, log.String())
			}
		}
		if tokens.matches(older+"\n"+newer) || tokens.matches("") {
			t.Error("what is no token was taken")
		}
	})
}

func TestATokenFileThatCannotBeTrustedIsRefused(t *testing.T) {
	for name, path := range map[string]string{
		"others read it": tokenFile(t, secret, 0o644), "the group reads it": tokenFile(t, secret, 0o640),
		"too short": tokenFile(t, "short", 0o600), "empty": tokenFile(t, "", 0o600), "not there": "/nonexistent/token",
		"a folder": t.TempDir(), "not sendable": tokenFile(t, secret+" "+secret, 0o600),
		"the second too short": tokenFile(t, secret+"\nshort\n", 0o600), "only empty lines": tokenFile(t, "\n \n", 0o600), "huge": tokenFile(t, string(make([]byte, 1<<13)), 0o600),
	} {
		if _, err := OpenTokens(path, nil); !errors.Is(err, ErrTokenFile) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestWhoMayCall(t *testing.T) {
	const none, right, wrong = "", "Bearer " + secret, "Bearer fedcba9876543210"
	public, loopback := "192.0.2.1:1", "127.0.0.1:1"
	for _, c := range []struct {
		name, addr        string
		token, everywhere bool
		header            string
		want              error
	}{
		{"public, no token sent", public, true, false, none, ErrMissing},
		{"public, right", public, true, false, right, nil},
		{"public, wrong", public, true, false, wrong, ErrWrong},
		{"public, a prefix", public, true, false, "Bearer " + secret[:15], ErrWrong},
		{"public, empty", public, true, false, "Bearer ", ErrWrong},
		{"public, other scheme", public, true, false, "Basic " + secret, ErrMissing},
		{"public, scheme in small letters", public, true, false, "bearer " + secret, nil},
		{"any interface", "0.0.0.0:1", true, false, none, ErrMissing},
		{"loopback, none", loopback, true, false, none, nil},
		{"loopback, right", loopback, true, false, right, nil},
		{"loopback, wrong", loopback, true, false, wrong, ErrWrong},
		{"loopback 6", "[::1]:1", false, false, none, nil},
		{"loopback without a token, some sent", loopback, false, false, wrong, nil},
		{"loopback that asks", loopback, true, true, none, ErrMissing},
	} {
		var headers []string
		if c.header != none {
			headers = []string{c.header}
		}
		if err := policy(t, c.addr, c.token, c.everywhere).Check(headers); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	if err := policy(t, public, true, false).Check([]string{right, right}); !errors.Is(err, ErrMissing) {
		t.Errorf("two headers: %v", err)
	}
	if err := (Policy{}).Check([]string{"Bearer "}); !errors.Is(err, ErrWrong) {
		t.Errorf("zero policy: %v", err)
	}
}

func TestAnAddressOthersReachNeedsAToken(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:1", "[::]:1", "192.0.2.1:1"} {
		a, _ := net.ResolveTCPAddr("tcp", addr)
		if _, err := NewPolicy(nil, a, false); !errors.Is(err, ErrTokenNeeded) {
			t.Errorf("%s: got %v", addr, err)
		}
	}
}

func TestWebPagesOfOthersCannotUseALoopbackListener(t *testing.T) {
	p := policy(t, "127.0.0.1:1", true, false)
	for _, c := range []struct {
		name, host, origin, site, token string
		want                            error
	}{
		{"curl", "127.0.0.1:8080", "", "", "", nil},
		{"by name", "localhost:8080", "", "", "", nil},
		{"IPv6", "[::1]:8080", "", "", "", nil},
		{"its own page", "localhost:8080", "http://localhost:8080", "same-origin", "", nil},
		{"another page", "localhost:8080", "https://evil.example", "cross-site", "", ErrOtherOrigin},
		{"another page, old browser", "localhost:8080", "https://evil.example", "", "", ErrOtherOrigin},
		{"a rebound name", "evil.example:8080", "http://evil.example:8080", "same-origin", "", ErrOtherOrigin},
		{"another page with the token", "localhost:8080", "https://app.example", "cross-site", secret, nil},
	} {
		r := httptest.NewRequest(http.MethodPost, "/v1/produce_block", nil)
		r.Host = c.host
		for name, v := range map[string]string{"Origin": c.origin, "Sec-Fetch-Site": c.site} {
			if v != "" {
				r.Header.Set(name, v)
			}
		}
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		if err := p.CheckHTTP(r); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestGRPCMethodsThatAreNotPublicNeedTheToken(t *testing.T) {
	p := policy(t, "192.0.2.1:1", true, false)
	unary := p.Unary(func(m string) bool { return m == "/s/Read" })
	call := func(method, header string) (reached bool, err error) {
		ctx := t.Context()
		if header != "" {
			ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("authorization", header))
		}
		_, err = unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: method}, func(context.Context, any) (any, error) {
			reached = true
			return nil, nil
		})
		return reached, err
	}
	for _, c := range []struct {
		method, header string
		want           codes.Code
	}{
		{"/s/Read", "", codes.OK},
		{"/s/New", "", codes.Unauthenticated},
		{"/s/New", "Bearer wrong", codes.PermissionDenied},
		{"/s/New", "Bearer " + secret, codes.OK},
	} {
		if reached, err := call(c.method, c.header); status.Code(err) != c.want || reached != (c.want == codes.OK) {
			t.Errorf("%v: got %v, reached %t", c, err, reached)
		}
	}
}
