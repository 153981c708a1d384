// Package seqs keeps the window of submitters' seqs that follows from the blueprint log, and refuses what the rules of contents
// forbid before it gets into the log.
//
// It guarantees: the window is a function of the log's records, so it is the same on every replica, and after every restart.
// It asks of callers: one of them adds, each record right after it is appended.
package seqs

import (
	"fmt"

	"blindseq/producer-svc/logrecord"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/rules"
)

// Log is the blueprint log.
type Log interface {
	Last() uint64
	Get(number uint64) (*blueprintv1.LogRecord, error)
}

// Window is the window after the last record of a log.
type Window struct {
	*rules.Window
	committee *committee.Committee
}

// Of reads the window of a log from its last records, as many as a sealed transaction lives.
func Of(c *committee.Committee, log Log) (*Window, error) {
	w, err := rules.Rebuild(c.First, log.Last(), c.Limits.Lifetime, func(number uint64) ([]seal.Header, error) {
		rec, err := log.Get(number)
		return logrecord.Headers(rec), err
	})
	return &Window{w, c}, err
}

// Check refuses a content that breaks a rule, before it is appended. The proofs of its sealed transactions are not checked
// again: a certificate covers them. What the log has already, the log compares.
func (w *Window) Check(p *preblockv1.Content) error {
	if p.GetNumber() < w.committee.First || p.GetNumber() <= w.Last() {
		return nil
	}
	headers, err := rules.Headers(p)
	if err != nil {
		return err
	}
	return rules.CheckHeaders(p, headers, w.committee.Limits, w.Window)
}

// Add adds the record that was appended last.
func (w *Window) Add(rec *blueprintv1.LogRecord) error {
	if rec.GetNumber() < w.committee.First {
		return nil
	}
	if err := w.AddHeaders(rec.GetNumber(), logrecord.Headers(rec)); err != nil {
		return fmt.Errorf("note the sealed transactions of blueprint %d: %w", rec.GetNumber(), err)
	}
	return nil
}
