package ops

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

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
	s, err := NewServer("127.0.0.1:0", h, NewRegistry())
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
	h.Note("role", "standby")
	if code, body := get(t, url+"/readyz"); code != 200 || !strings.Contains(body, `"role":"standby"`) {
		t.Errorf("readyz %d %s with a note", code, body)
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
