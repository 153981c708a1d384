package history

import (
	"sync"
	"time"
)

// Recorder collects a history from many goroutines.
type Recorder struct {
	start time.Time

	mu sync.Mutex
	h  History
}

// NewRecorder returns an empty recorder; its times count from now.
func NewRecorder() *Recorder { return &Recorder{start: time.Now()} }

// Now is the time in the history.
func (r *Recorder) Now() time.Duration { return time.Since(r.start) }

// Add changes the history under the recorder's lock.
func (r *Recorder) Add(change func(h *History)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.h)
}

// History returns what was recorded; the recorder is not to be used after it.
func (r *Recorder) History() *History {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &r.h
}
