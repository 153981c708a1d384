package ops

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"blindseq/kit/logs"

	"go.uber.org/goleak"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestReadinessNamesItsReasonsAndLivenessSurvivesThem(t *testing.T) {
	defer goleak.VerifyNone(t)
	defer http.DefaultClient.CloseIdleConnections()
	h := NewHealth()
	s, err := NewServer("127.0.0.1:0", h, NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	url := "http://" + s.Addr()

	h.Set("dsn", "not connected")
	if code, body := get(t, url+"/readyz"); code != 503 || !strings.Contains(body, `"dsn":"not connected"`) {
		t.Errorf("readyz %d %s", code, body)
	}
	if code, _ := get(t, url+"/livez"); code != 200 {
		t.Errorf("livez %d", code)
	}
	h.Set("dsn", "")
	if code, _ := get(t, url+"/readyz"); code != 200 {
		t.Errorf("readyz %d after the reason went", code)
	}
	h.Note("production", "keyholder 3 is missing")
	if code, body := get(t, url+"/readyz"); code != 200 || !strings.Contains(body, `"notes":{"production":"keyholder 3 is missing"}`) {
		t.Errorf("readyz %d %s with a note", code, body)
	}
	h.Note("production", "")
	if code, body := get(t, url+"/readyz"); code != 200 || strings.Contains(body, "notes") {
		t.Errorf("readyz %d %s after the note was taken back", code, body)
	}
	h.Fail("log", "fsync failed")
	if code, body := get(t, url+"/livez"); code != 503 || !strings.Contains(body, "fsync failed") {
		t.Errorf("livez %d %s", code, body)
	}
	if code, _ := get(t, url+"/readyz"); code != 503 {
		t.Errorf("readyz %d of a failed process", code)
	}
	if code, body := get(t, url+"/metrics"); code != 200 || !strings.Contains(body, "go_goroutines") {
		t.Errorf("metrics %d", code)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestSinceIsTheTimeOfTheFirstReasonWithoutABreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHealth()
		began := time.Now()
		h.Set("dsn", "not connected")
		time.Sleep(time.Minute)
		h.Set("dsn", "connection refused")
		if since := h.Since()["dsn"]; !since.Equal(began) {
			t.Errorf("unready since %s, the first reason is of %s", since, began)
		}
		w := httptest.NewRecorder()
		report(h.Ready, h.Since, h.Notes).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if want := `"since":{"dsn":"` + began.UTC().Format(time.RFC3339) + `"}`; !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s does not have %s", w.Body, want)
		}
		h.Set("dsn", "")
		if all := h.Since(); len(all) != 0 {
			t.Errorf("%v after the reason went", all)
		}
		again := time.Now()
		h.Set("dsn", "not connected")
		if since := h.Since()["dsn"]; !since.Equal(again) {
			t.Errorf("unready since %s, again since %s", since, again)
		}
	})
}

func TestWatchersSeeEachChangeOfReadinessOnce(t *testing.T) {
	h := NewHealth()
	var seen []bool
	h.Watch(func(ready bool) { seen = append(seen, ready) })
	h.Set("a", "starting")
	h.Set("b", "starting")
	h.Set("a", "")
	h.Set("b", "")
	if len(seen) != 3 || !seen[0] || seen[1] || !seen[2] {
		t.Fatalf("got %v", seen)
	}
}

// leveled is a server whose log has the level info, and what the log has written.
func leveled(t *testing.T) (handler http.Handler, log *slog.Logger, written *bytes.Buffer) {
	t.Helper()
	written = &bytes.Buffer{}
	log, err := logs.New(written, "info", "text", "test")
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewServer("127.0.0.1:0", NewHealth(), NewRegistry(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.http.Handler, log, written
}

func put(h http.Handler, level string, change func(*http.Request)) int {
	r, w := httptest.NewRequest(http.MethodPut, "/loglevel", strings.NewReader(level)), httptest.NewRecorder()
	r.RemoteAddr = "127.0.0.1:4711"
	change(r)
	h.ServeHTTP(w, r)
	return w.Code
}

func TestTheLevelOfTheLogChangesWhileAProgramRuns(t *testing.T) {
	h, log, written := leveled(t)
	part := log.With("part", "pool") // made before
	nothing := func(*http.Request) {}
	part.Debug("before")
	if code := put(h, "debug\n", nothing); code != http.StatusNoContent {
		t.Fatalf("debug: %d", code)
	}
	part.Debug("between")
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/loglevel", nil)
	r.RemoteAddr = "[::1]:4711"
	h.ServeHTTP(w, r)
	if w.Body.String() != "debug\n" {
		t.Errorf("it says %d %q", w.Code, w.Body)
	}
	if code := put(h, "error", nothing); code != http.StatusNoContent {
		t.Fatalf("error: %d", code)
	}
	part.Warn("after")
	if code := put(h, "info", nothing); code != http.StatusNoContent {
		t.Fatalf("info: %d", code)
	}
	text := written.String()
	if strings.Contains(text, "before") || !strings.Contains(text, "between") || strings.Contains(text, "after") || strings.Count(text, "log level changed") != 3 {
		t.Errorf("written was\n%s", text)
	}
}

func TestOnlySomebodyOnThisMachineChangesTheLevel(t *testing.T) {
	h, log, _ := leveled(t)
	for name, c := range map[string]struct {
		level  string
		change func(*http.Request)
		code   int
	}{
		"another machine": {"debug", func(r *http.Request) { r.RemoteAddr = "10.0.0.7:4711" }, http.StatusForbidden},
		"a web page":      {"debug", func(r *http.Request) { r.Header.Set("Origin", "https://page.test") }, http.StatusForbidden},
		"no level":        {"loud", func(*http.Request) {}, http.StatusBadRequest},
		"a long body":     {strings.Repeat(" ", 20) + "debug", func(*http.Request) {}, http.StatusBadRequest},
	} {
		if code := put(h, c.level, c.change); code != c.code || log.Enabled(t.Context(), slog.LevelDebug) {
			t.Errorf("%s: %d, debug: %t", name, code, log.Enabled(t.Context(), slog.LevelDebug))
		}
	}
}
