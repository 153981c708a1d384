package rest_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// event is a server-sent event.
type event struct{ name, id, data string }

// followed opens the events of a transaction; next returns the next one, an empty one at the end.
func followed(t *testing.T, url, hash, lastEventID string) (res *http.Response, next func() event) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/transactions/"+hash+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastEventID != "" {
		r.Header.Set("Last-Event-ID", lastEventID)
	}
	if res, err = http.DefaultClient.Do(r); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	lines := bufio.NewScanner(res.Body)
	return res, func() (e event) {
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch {
			case field == "event":
				e.name = value
			case field == "id":
				e.id = value
			case field == "data":
				e.data = value
			case lines.Text() == "" && e != (event{}):
				return e
			}
		}
		return event{}
	}
}

var someHash = "0x" + strings.Repeat("ab", 32)

func TestTheStepsOfATransactionAreEventsEachOnceAlsoWhenTheLeaderChanges(t *testing.T) {
	server, f := start(t)
	f.Advance(3)
	res, next := followed(t, server.URL, someHash, "")
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	for _, want := range []string{"sealed", "final"} {
		got := next()
		var step struct {
			Step     string
			Number   string
			Position uint32
			Preblock struct{ Certificate struct{ Locks []any } }
		}
		if err := json.Unmarshal([]byte(got.data), &step); err != nil {
			t.Fatal(err)
		}
		if got.name != want || got.id != want || step.Step != want {
			t.Fatalf("%+v, not %s", got, want)
		}
		if want == "final" && (step.Number != "3" || step.Position != 1 || len(step.Preblock.Certificate.Locks) == 0) {
			t.Errorf("final: %s", got.data)
		}
	}
	<-f.Followed
	f.OnceFollowed(status.Error(codes.Unavailable, "not the leading producer"))
	<-f.Followed // the gateway follows again, and is told everything anew
	f.Advance(1)
	for _, want := range []string{"opened", "executed", ""} {
		if got := next(); got.name != want {
			t.Fatalf("%+v, not %q", got, want)
		}
	}
}

func TestABrowserThatConnectsAgainGetsWhatItHasNotSeen(t *testing.T) {
	server, f := start(t)
	f.Advance(3)
	_, next := followed(t, server.URL, someHash, "final")
	<-f.Followed
	f.Advance(1)
	for _, want := range []string{"opened", "executed", ""} {
		if got := next(); got.name != want {
			t.Fatalf("%+v, not %q", got, want)
		}
	}
	if res, _ := followed(t, server.URL, someHash, "executed"); res.StatusCode != http.StatusNoContent {
		t.Errorf("after the last step: %d", res.StatusCode)
	}
}

func TestEventsThatCannotGoOnSayWhy(t *testing.T) {
	server, f := start(t)
	f.Fail("producer", status.Error(codes.ResourceExhausted, "too many transactions are followed"))
	_, next := followed(t, server.URL, someHash, "")
	if got := next(); got.name != "error" || !strings.Contains(got.data, `"code":8`) || !strings.Contains(got.data, "too many") {
		t.Errorf("%+v", got)
	}
	for _, hash := range []string{"0x12", strings.Repeat("ab", 32), "0x" + strings.Repeat("zz", 32)} {
		if res, _ := followed(t, server.URL, hash, ""); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", hash, res.StatusCode)
		}
	}
}
