package redisqueue

import (
	"encoding/json"
	"errors"
	"fmt"

	"blindseq/kit/content"
	"blindseq/kit/requestid"
	"blindseq/proposer-svc/queue"
)

// ErrDamaged is returned for stored values that this program cannot have written.
var ErrDamaged = errors.New("stored FIFO is damaged")

func encode(r queue.Request) (string, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode request %q: %w", r.ID, err)
	}
	return string(b), nil
}

// decodeOptional reads a stored request; the empty value is none.
func decodeOptional(value string) (*queue.Request, error) {
	if value == "" {
		return nil, nil
	}
	var r queue.Request
	if err := json.Unmarshal([]byte(value), &r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err := requestid.Valid(r.ID); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	switch {
	case r.Phase == queue.Unknown || r.Phase > queue.Processed:
		return nil, fmt.Errorf("%w: request %q is %s", ErrDamaged, r.ID, r.Phase)
	case r.Timestamp < 0 || r.Timestamp > content.LastSecond:
		return nil, fmt.Errorf("%w: request %q has timestamp %d", ErrDamaged, r.ID, r.Timestamp)
	case r.Phase == queue.InFlight && (r.Number == 0 || r.Attempt == 0):
		return nil, fmt.Errorf("%w: request %q is in flight as attempt %d of number %d", ErrDamaged, r.ID, r.Attempt, r.Number)
	}
	return &r, nil
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }
