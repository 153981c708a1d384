package redisqueue

import (
	"encoding/json"
	"errors"
	"fmt"

	"blindseq/proposer-svc/internal/queue"
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
	if r.ID == "" || r.State == queue.Unknown || r.State > queue.Processed {
		return nil, fmt.Errorf("%w: request %q is %s", ErrDamaged, r.ID, r.State)
	}
	return &r, nil
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", ErrUnavailable, err) }
