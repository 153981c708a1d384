// Package machine shows the producer's pure decisions to the simulator (blindseq/e2e/sim), which runs the very same
// functions as the service: the critical section, what the blueprint log admits, what a proposal holds. They live in
// internal packages, as nobody else is to build on them; everything here is a name for something there.
package machine

import (
	"crypto/ed25519"
	"errors"

	"blindseq/kit/content"
	"blindseq/producer-svc/internal/api"
	"blindseq/producer-svc/internal/bplog"
	"blindseq/producer-svc/internal/feed"
	"blindseq/producer-svc/internal/section"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// RecordOf makes the log record of a preblock, without token and holder.
func RecordOf(p *preblockv1.Preblock, known Delayed) (*blueprintv1.LogRecord, error) {
	return section.RecordOf(p, known)
}

// BlockOf is the block that a record gave.
func BlockOf(rec *blueprintv1.LogRecord, hash content.Hash) Block { return section.BlockOf(rec, hash) }

// Delayed finds delayed transactions by hash.
type Delayed = section.Delayed

// Tip decides what may be appended to the blueprint log.
type Tip = bplog.Tip

// Repeats tells a repeat of a record from another content for its number.
func Repeats(have, rec *blueprintv1.LogRecord) error { return bplog.Repeats(have, rec) }

// What an append to the blueprint log is refused for.
func IsKnown(err error) bool    { return errors.Is(err, bplog.ErrKnown) }
func IsRepeated(err error) bool { return errors.Is(err, bplog.ErrRepeated) }
func IsStale(err error) bool    { return errors.Is(err, bplog.ErrStaleToken) }

// Contents puts proposals together.
type Contents = api.Contents

// Builder makes published blueprints.
type Builder = feed.Builder

// Blueprints makes the published blueprints of a log and a chain.
func Blueprints(r feed.Records, c feed.Results, key ed25519.PrivateKey) Builder {
	return Builder{Records: r, Results: c, Key: key}
}
