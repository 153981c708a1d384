package source

import (
	"context"
	"fmt"

	"blindseq/monitor-svc/merge"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// examined is a preblock that passed every check that needs no predecessor.
type examined struct {
	merge.Arrived
	statement [32]byte
}

// verify checks a preblock before anything of it is kept.
func verify(ctx context.Context, cfg Config, p *preblockv1.Preblock) (merge.Arrived, error) {
	e, err := examine(cfg, p)
	if err != nil {
		return merge.Arrived{}, err
	}
	return link(ctx, cfg, e)
}

func examine(cfg Config, p *preblockv1.Preblock) (e examined, err error) {
	if e.Arrived, err = merge.Verify(p); err != nil {
		return e, err
	}
	e.statement, err = cfg.Check.Examine(p)
	return e, asForged(err != nil, err)
}

func link(ctx context.Context, cfg Config, e examined) (merge.Arrived, error) {
	if err := asForged(cfg.Check.Link(ctx, e.Preblock, e.statement)); err != nil {
		return merge.Arrived{}, err
	}
	return e.Arrived, nil
}

func asForged(forged bool, err error) error {
	if forged {
		return fmt.Errorf("%w: %w", merge.ErrForged, err)
	}
	return err
}

// expect verifies a preblock that must have a number.
func expect(ctx context.Context, cfg Config, p *preblockv1.Preblock, number uint64) (merge.Arrived, error) {
	if err := is(p, number); err != nil {
		return merge.Arrived{}, err
	}
	a, err := verify(ctx, cfg, p)
	a.Asked = true
	return a, err
}

func is(p *preblockv1.Preblock, number uint64) error {
	if got := p.GetContent().GetNumber(); got != number {
		return fmt.Errorf("%w: number %d, asked for was %d", merge.ErrForged, got, number)
	}
	return nil
}
