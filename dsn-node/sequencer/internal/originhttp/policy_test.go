package originhttp

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blindseq/dsn-node/sequencer/internal/core"
	"blindseq/dsn-node/sequencer/origintest"
	"blindseq/kit/auth"
)

// never is a core that must not be asked.
type never struct {
	Core
	t *testing.T
}

func (n never) SubscribeNew() (*core.Subscription, error) {
	n.t.Error("somebody subscribed")
	return nil, errors.New("no")
}

// A web page that a browser on the sequencer's machine shows must not fix the next number, and neither must a stranger.
func TestNeitherAWebPageNorAStrangerProposes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		tokenFile string
		headers   map[string]string
	}{
		"a web page":                {"", map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"}},
		"an old browser's":          {"", map[string]string{"Origin": "https://evil.example", "Content-Type": "text/plain"}},
		"a rebound name":            {"", map[string]string{"Host": "evil.example"}},
		"a stranger":                {file, nil},
		"one with a wrong token":    {file, map[string]string{"Authorization": "Bearer fedcba9876543210"}},
		"a web page and no token":   {file, map[string]string{"Origin": "https://evil.example"}},
		"a token that nobody asked": {"", map[string]string{"Authorization": "Bearer x", "Origin": "https://evil.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			refused := 0
			s, err := NewServer(t.Context(), Options{
				Address: "127.0.0.1:0", TokenFile: c.tokenFile, Core: never{t: t}, Refused: func() { refused++ }, MaxContentBytes: 1000,
				Log: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:5303/proposal", strings.NewReader(origintest.Vector))
			for k, v := range c.headers {
				if r.Header.Set(k, v); k == "Host" {
					r.Host = v
				}
			}
			w := httptest.NewRecorder()
			s.http.Handler.ServeHTTP(w, r)
			if w.Code != http.StatusForbidden || w.Header().Get(errorHeader) == "" || refused != 1 {
				t.Errorf("status %d, reason %q, counted %d", w.Code, w.Header().Get(errorHeader), refused)
			}
		})
	}
}

func TestOtherMachinesNeedATokenFile(t *testing.T) {
	_, err := NewServer(t.Context(), Options{Address: "0.0.0.0:0", Core: never{t: t}, Log: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, auth.ErrTokenNeeded) {
		t.Errorf("it serves everybody: %v", err)
	}
}
