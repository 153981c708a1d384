package redisqueue

import (
	"context"
	"strings"

	"blindseq/kit/redisx"
)

// Watch wakes this replica for what other replicas change, until ctx ends. After each (re)connection it wakes it
// too: messages sent meanwhile are lost, and the FIFO itself may be.
func (s *Store) Watch(ctx context.Context) error {
	return redisx.Watch(ctx, s.rdb, func(_, tag string) {
		if !strings.HasPrefix(tag, *s.id.Load()) {
			s.Refresh()
			s.wake.Notify()
		}
	}, s.rdb.Names.ProposerEvents())
}
