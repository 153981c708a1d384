package k8s

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// meter counts what a gateway answers, below everything that tries again by itself: one answer that a user would have to
// repeat is a failed request.
type meter struct {
	next http.RoundTripper
	now  func() time.Duration

	mu       sync.Mutex
	answered int
	failures []failure
}

// failure is a request without a good answer.
type failure struct {
	at, took time.Duration
	what     string
}

func (f failure) String() string {
	return fmt.Sprintf("at %s, after %s: %s", f.at.Round(time.Millisecond), f.took.Round(time.Millisecond), f.what)
}

// RoundTrip passes a request on. One that its caller gave up is not counted.
func (m *meter) RoundTrip(r *http.Request) (*http.Response, error) {
	began := m.now()
	answer, err := m.next.RoundTrip(r)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(answer.Body)
		answer.Body.Close()
		answer.Body = io.NopCloser(bytes.NewReader(body))
	}
	bad := ""
	switch {
	case err != nil && r.Context().Err() == nil:
		bad = err.Error()
	case err != nil:
		return nil, err
	case answer.StatusCode != http.StatusOK:
		bad = fmt.Sprintf("status %d: %.300s", answer.StatusCode, body)
	default:
		bad = refusal(body)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answered++
	if bad != "" {
		m.failures = append(m.failures, failure{at: m.now(), took: m.now() - began, what: r.URL.Path + ": " + strings.TrimSpace(bad)})
	}
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// refusal is the error in an answer of JSON-RPC.
func refusal(body []byte) string {
	var answer struct {
		Error *struct {
			Code    int
			Message string
		}
	}
	if json.Unmarshal(body, &answer) != nil || answer.Error == nil {
		return ""
	}
	return fmt.Sprintf("error %d: %s", answer.Error.Code, answer.Error.Message)
}

// kinds is what a spell is told of at most.
const kinds = 4

// spells tells when requests failed: how many from when to when, for each spell without a second's pause, and how.
func spells(failures []failure) (lines []string) {
	for from := 0; from < len(failures); {
		to := from + 1
		for to < len(failures) && failures[to].at-failures[to-1].at < time.Second {
			to++
		}
		spell := failures[from:to]
		lines = append(lines, fmt.Sprintf("%d from %s until %s", len(spell), spell[0].at.Round(time.Millisecond), spell[len(spell)-1].at.Round(time.Millisecond)))
		seen := map[string]bool{}
		for _, f := range spell {
			short := fmt.Sprintf("%.60s", f.what)
			if !seen[short] && len(seen) < kinds {
				lines = append(lines, f.String())
			}
			seen[short] = true
		}
		from = to
	}
	return lines
}

// report is how many requests were answered, and those that failed.
func (m *meter) report() (answered int, failures []failure) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.answered, append([]failure(nil), m.failures...)
}
