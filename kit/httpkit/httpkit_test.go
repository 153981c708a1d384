package httpkit_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"blindseq/kit/httpkit"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves handler until stop is called, which returns what Serve did.
func serve(t *testing.T, g httpkit.Grace, handler http.HandlerFunc) (url string, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- httpkit.Serve(ctx, "test", &http.Server{Handler: handler}, l, g) }()
	return "http://" + l.Addr().String(), func() error { cancel(); return <-done }
}

func get(url string, answer chan<- string) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	if err != nil {
		answer <- "error"
		return
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	answer <- string(body)
}

func TestARequestThatRunsIsAnswered(t *testing.T) {
	entered, proceed := make(chan struct{}), make(chan struct{})
	url, stop := serve(t, httpkit.Grace{Drain: time.Minute, Abort: time.Minute}, func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-proceed
		_, _ = io.WriteString(w, "answered")
	})
	answer := make(chan string, 1)
	go get(url, answer)
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	close(proceed)
	if got := <-answer; got != "answered" {
		t.Errorf("got %q", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestARequestThatDoesNotEndIsAbortedAndOneThatIgnoresThatIsCutOff(t *testing.T) {
	for name, ignores := range map[string]bool{"aborted": false, "error": true} {
		entered, proceed := make(chan struct{}), make(chan struct{})
		url, stop := serve(t, httpkit.Grace{Drain: time.Millisecond, Abort: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
			if ignores {
				<-proceed
			}
			_, _ = io.WriteString(w, "aborted")
		})
		answer := make(chan string, 1)
		go get(url, answer)
		<-entered
		if err := stop(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := <-answer; got != name {
			t.Errorf("got %q, want %q", got, name)
		}
		close(proceed)
	}
}

func TestAListenerThatFailsIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := httpkit.Close(l); err != nil {
		t.Error(err)
	}
	if err := httpkit.Close(l); err != nil {
		t.Errorf("closed again: %v", err)
	}
	err = httpkit.Serve(t.Context(), "test", &http.Server{}, l, httpkit.Grace{})
	if !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), "serve test: ") {
		t.Errorf("got %v", err)
	}
}
